"""Snippets that work where they are pasted, one function a tool. Pure: rows in, text out.

The rows are of one release. Where they are of several regions, a snippet maps regions to ARNs, so that one text does
for all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from publisher.catalog.index import Row
from publisher.catalog.snippet_aws import cdk, cdk_python, cloudformation, sam
from publisher.catalog.snippet_layer import Layer, by_layer, example_of, heading, snake


def snippet(form: str, rows: Sequence[Row]) -> str:
    """The text for one of ``FORMATS``. ``rows``: at least one, all of one release."""
    return FORMATS[form](by_layer(rows)).rstrip("\n") + "\n"


def _arn(layers: Sequence[Layer]) -> str:
    regions = dict.fromkeys(region for layer in layers for region in layer.arns)
    return "\n".join(layer.arns[region] for region in regions for layer in layers if region in layer.arns)


def _terraform(layers: Sequence[Layer]) -> str:
    example = example_of(layers)
    name = f"{snake(example.row.package)}_layers"
    regions = dict.fromkeys(region for layer in layers for region in layer.arns)
    lines = [heading(layers), "locals {", f"  {name} = {{"]
    for region in regions:
        there = [layer for layer in layers if region in layer.arns]
        width = max(len(layer.row.target) for layer in there) + 2  # as `terraform fmt` has it
        quoted = [(f'"{layer.row.target}"', layer.arns[region]) for layer in there]
        lines += [f'    "{region}" = {{', *(f'      {key:{width}} = "{arn}"' for key, arn in quoted), "    }"]
    region = next(iter(example.arns))
    return "\n".join(
        [
            *lines,
            "  }",
            "}",
            "",
            "# In an aws_lambda_function:",
            f'#   runtime       = "{example.runtime}"',
            f'#   architectures = ["{example.architecture}"]',
            f'#   layers        = [local.{name}["{region}"]["{example.row.target}"]]',
        ]
    )


def _serverless(layers: Sequence[Layer]) -> str:
    example = example_of(layers)
    name = f"{snake(example.row.package)}_layer"
    lines = [heading(layers), "service: agent", "custom:", f"  {name}:"]
    lines += [f"    {region}: {arn}" for region, arn in example.arns.items()]
    return "\n".join(
        [
            *lines,
            "provider:",
            "  name: aws",
            f"  runtime: {example.runtime}",
            f"  architecture: {example.architecture}",
            f"  region: {next(iter(example.arns))}",
            "functions:",
            "  agent:",
            "    handler: agent_handler.handler",
            "    layers:",
            f"      - ${{self:custom.{name}.${{aws:region}}}}",
        ]
    )


def _cli(layers: Sequence[Layer]) -> str:
    blocks = []
    for layer in layers:
        for region, arn in layer.arns.items():
            name, _, number = arn.rpartition(":")
            blocks.append(
                f"# {layer.title}, {region}\n"
                f"aws lambda get-layer-version --region {region} \\\n"
                f"  --layer-name {name} \\\n"
                f"  --version-number {number}\n"
                "# put it on a function (this replaces the function's list of layers):\n"
                f"# aws lambda update-function-configuration --region {region} --function-name NAME --layers {arn}"
            )
    return "\n\n".join(blocks)


FORMATS: dict[str, Callable[[Sequence[Layer]], str]] = {
    "arn": _arn,
    "cdk": cdk,
    "cdk-python": cdk_python,
    "sam": sam,
    "terraform": _terraform,
    "cloudformation": cloudformation,
    "serverless": _serverless,
    "cli": _cli,
}

#: The formats whose text holds every region of the release: a template is of no region.
FOR_ALL_REGIONS = frozenset({"sam", "cloudformation"})
