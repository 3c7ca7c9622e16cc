"""Snippets that work where they are pasted, one function a tool. Pure: rows in, text out.

The rows are of one release. Where they are of several regions, a snippet maps regions to ARNs, so that one text does
for all of them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from builder.runtimes import RUNTIMES
from publisher.catalog.index import Row


@dataclass(frozen=True)
class _Layer:
    """One target of the release, with its ARN in every region."""

    row: Row  #: any of them: what is the same in all regions
    arns: dict[str, str]

    @property
    def title(self) -> str:
        row = self.row
        return f"{row.package} {row.version} (layer version {row.layer_version}), Python {row.python}, " + (
            str(row.architecture)
        )

    @property
    def key(self) -> str:
        """A name that every tool takes: ``Py312Arm64`` has no dot, no dash and no underscore."""
        return f"Py{self.row.python.replace('.', '')}{_ARCHITECTURE_WORDS[self.row.architecture.value]}"

    @property
    def runtime(self) -> str:
        return RUNTIMES[self.row.python].api_name if self.row.python in RUNTIMES else f"python{self.row.python}"

    @property
    def architecture(self) -> str:
        return self.row.architecture.api_name

    @property
    def cdk_runtime(self) -> str:
        return f"PYTHON_{self.row.python.replace('.', '_')}"

    @property
    def cdk_architecture(self) -> str:
        return _CDK_ARCHITECTURES[self.row.architecture.value]

    @property
    def arn(self) -> str:
        return next(iter(self.arns.values()))


_ARCHITECTURE_WORDS = {"x86_64": "X8664", "aarch64": "Arm64"}
_CDK_ARCHITECTURES = {"x86_64": "X86_64", "aarch64": "ARM_64"}


def snippet(form: str, rows: Sequence[Row]) -> str:
    """The text for one of ``FORMATS``. ``rows``: at least one, all of one release."""
    return FORMATS[form](_layers(rows)).rstrip("\n") + "\n"


def _layers(rows: Sequence[Row]) -> list[_Layer]:
    grouped: dict[str, list[Row]] = {}
    for row in rows:
        grouped.setdefault(row.target, []).append(row)
    return [_Layer(group[0], {row.region: row.arn for row in group}) for group in grouped.values()]


def _pascal(text: str) -> str:
    name = "".join(word[:1].upper() + word[1:] for word in re.split(r"[^A-Za-z0-9]+", text))
    return name if name[:1].isalpha() else f"L{name}"


def _snake(text: str) -> str:
    name = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")
    return name if name[:1].isalpha() else f"layer_{name}"


def _example(layers: Sequence[_Layer]) -> _Layer:
    """The layer that a template's function uses: one that is in most regions, of those the newest Python's."""
    return max(layers, key=lambda layer: (len(layer.arns), [int(part) for part in layer.row.python.split(".")]))


def _arn(layers: Sequence[_Layer]) -> str:
    regions = dict.fromkeys(region for layer in layers for region in layer.arns)
    return "\n".join(layer.arns[region] for region in regions for layer in layers if region in layer.arns)


def _cdk(layers: Sequence[_Layer]) -> str:
    lines = ["// In a stack's constructor; at the top of the file:"]
    if any(len(layer.arns) > 1 for layer in layers):
        lines.append('// import * as cdk from "aws-cdk-lib";')
    lines.append('// import * as lambda from "aws-cdk-lib/aws-lambda";')
    for layer in layers:
        name = f"{_pascal(layer.row.package)}{layer.key}"
        variable = name[0].lower() + name[1:]
        lines += ["", f"// {layer.title}"]
        arn = json.dumps(layer.arn)
        if len(layer.arns) > 1:
            lines += [f'const {variable}Arns = new cdk.CfnMapping(this, "{name}Arns", {{', "  mapping: {"]
            lines += [f'    "{region}": {{ arn: "{arn}" }},' for region, arn in layer.arns.items()]
            lines += ["  },", "});"]
            arn = f'{variable}Arns.findInMap(cdk.Aws.REGION, "arn")'
        lines += [
            f"const {variable} = lambda.LayerVersion.fromLayerVersionArn(",
            f'  this, "{name}", {arn},',
            ");",
        ]
    example = _example(layers)
    name = f"{_pascal(example.row.package)}{example.key}"
    return "\n".join(
        [
            *lines,
            "",
            f"// new lambda.Function(this, …, {{ runtime: lambda.Runtime.{example.cdk_runtime}, "
            f"architecture: lambda.Architecture.{example.cdk_architecture}, "
            f"layers: [{name[0].lower() + name[1:]}], … }})",
        ]
    )


def _cdk_python(layers: Sequence[_Layer]) -> str:
    lines = ["# In a stack's __init__:", "import aws_cdk as cdk", "from aws_cdk import aws_lambda as lambda_"]
    if all(len(layer.arns) == 1 for layer in layers):
        lines.remove("import aws_cdk as cdk")
    for layer in layers:
        name = f"{_pascal(layer.row.package)}{layer.key}"
        variable = f"{_snake(layer.row.package)}_{layer.key.lower()}"
        arn = json.dumps(layer.arn)
        lines += ["", f"# {layer.title}"]
        if len(layer.arns) > 1:
            lines += [f'{variable}_arns = cdk.CfnMapping(self, "{name}Arns", mapping={{']
            lines += [f'    "{region}": {{"arn": "{arn}"}},' for region, arn in layer.arns.items()]
            lines += ["})"]
            arn = f'{variable}_arns.find_in_map(cdk.Aws.REGION, "arn")'
        lines += [
            f"{variable} = lambda_.LayerVersion.from_layer_version_arn(",
            f'    self, "{name}", {arn},',
            ")",
        ]
    example = _example(layers)
    variable = f"{_snake(example.row.package)}_{example.key.lower()}"
    return "\n".join(
        [
            *lines,
            "",
            f"# lambda_.Function(self, …, runtime=lambda_.Runtime.{example.cdk_runtime}, "
            f"architecture=lambda_.Architecture.{example.cdk_architecture}, layers=[{variable}], …)",
        ]
    )


def _mapping(layers: Sequence[_Layer]) -> list[str]:
    """A CloudFormation mapping: region → layer → ARN."""
    lines = ["Mappings:", f"  {_pascal(layers[0].row.package)}Layers:"]
    for region in dict.fromkeys(region for layer in layers for region in layer.arns):
        lines.append(f"    {region}:")
        lines += [f"      {layer.key}: {layer.arns[region]}" for layer in layers if region in layer.arns]
    return lines


def _in_map(layer: _Layer) -> str:
    return f"!FindInMap [{_pascal(layer.row.package)}Layers, !Ref AWS::Region, {layer.key}]"


def _code(key: str, package: str) -> list[str]:
    """An inline handler that proves the layer: it answers with the package's version."""
    return [
        f"{key}: |",
        "  from importlib.metadata import version",
        "",
        "  def handler(event, context):",
        f'      return {{"{package}": version("{package}")}}',
    ]


def _indent(lines: Sequence[str], by: int) -> list[str]:
    return [" " * by + line if line else line for line in lines]


def _heading(layers: Sequence[_Layer]) -> str:
    row = layers[0].row
    return f"# {row.package} {row.version} (layer version {row.layer_version})"


def _cloudformation(layers: Sequence[_Layer]) -> str:
    example = _example(layers)
    return "\n".join(
        [
            _heading(layers),
            'AWSTemplateFormatVersion: "2010-09-09"',
            *_mapping(layers),
            "Resources:",
            "  AgentRole:",
            "    Type: AWS::IAM::Role",
            "    Properties:",
            "      AssumeRolePolicyDocument:",
            '        Version: "2012-10-17"',
            "        Statement:",
            "          - Effect: Allow",
            "            Principal:",
            "              Service: lambda.amazonaws.com",
            "            Action: sts:AssumeRole",
            "      ManagedPolicyArns:",
            "        - !Sub arn:${AWS::Partition}:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole",
            "  AgentFunction:",
            "    Type: AWS::Lambda::Function",
            "    Properties:",
            "      Handler: index.handler",
            f"      Runtime: {example.runtime}",
            f"      Architectures: [{example.architecture}]",
            "      MemorySize: 512",
            "      Timeout: 30",
            "      Role: !GetAtt AgentRole.Arn",
            "      Layers:",
            f"        - {_in_map(example)}",
            "      Code:",
            *_indent(_code("ZipFile", example.row.package), 8),
        ]
    )


def _sam(layers: Sequence[_Layer]) -> str:
    example = _example(layers)
    return "\n".join(
        [
            _heading(layers),
            'AWSTemplateFormatVersion: "2010-09-09"',
            "Transform: AWS::Serverless-2016-10-31",
            *_mapping(layers),
            "Resources:",
            "  AgentFunction:",
            "    Type: AWS::Serverless::Function",
            "    Properties:",
            "      Handler: index.handler",
            f"      Runtime: {example.runtime}",
            f"      Architectures: [{example.architecture}]",
            "      MemorySize: 512",
            "      Timeout: 30",
            "      Layers:",
            f"        - {_in_map(example)}",
            *_indent(_code("InlineCode", example.row.package), 6),
        ]
    )


def _terraform(layers: Sequence[_Layer]) -> str:
    example = _example(layers)
    name = f"{_snake(example.row.package)}_layers"
    regions = dict.fromkeys(region for layer in layers for region in layer.arns)
    lines = [_heading(layers), "locals {", f"  {name} = {{"]
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


def _serverless(layers: Sequence[_Layer]) -> str:
    example = _example(layers)
    name = f"{_snake(example.row.package)}_layer"
    lines = [_heading(layers), "service: agent", "custom:", f"  {name}:"]
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


def _cli(layers: Sequence[_Layer]) -> str:
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


FORMATS: dict[str, Callable[[Sequence[_Layer]], str]] = {
    "arn": _arn,
    "cdk": _cdk,
    "cdk-python": _cdk_python,
    "sam": _sam,
    "terraform": _terraform,
    "cloudformation": _cloudformation,
    "serverless": _serverless,
    "cli": _cli,
}

#: The formats whose text holds every region of the release: a template is of no region.
FOR_ALL_REGIONS = frozenset({"sam", "cloudformation"})
