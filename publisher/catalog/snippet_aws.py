"""Snippets for AWS's own tools: the CDK, CloudFormation, SAM. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence

from publisher.catalog.snippet_layer import Layer, example_of, heading, pascal, snake


def cdk(layers: Sequence[Layer]) -> str:
    lines = ["// In a stack's constructor; at the top of the file:"]
    if any(len(layer.arns) > 1 for layer in layers):
        lines.append('// import * as cdk from "aws-cdk-lib";')
    lines.append('// import * as lambda from "aws-cdk-lib/aws-lambda";')
    for layer in layers:
        name = layer.construct
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
    example = example_of(layers)
    name = example.construct
    return "\n".join(
        [
            *lines,
            "",
            f"// new lambda.Function(this, …, {{ runtime: lambda.Runtime.{example.cdk_runtime}, "
            f"architecture: lambda.Architecture.{example.cdk_architecture}, "
            f"layers: [{name[0].lower() + name[1:]}], … }})",
        ]
    )


def cdk_python(layers: Sequence[Layer]) -> str:
    lines = ["# In a stack's __init__:", "import aws_cdk as cdk", "from aws_cdk import aws_lambda as lambda_"]
    if all(len(layer.arns) == 1 for layer in layers):
        lines.remove("import aws_cdk as cdk")
    for layer in layers:
        name = layer.construct
        variable = f"{snake(layer.row.package)}_{layer.key.lower()}"
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
    example = example_of(layers)
    variable = f"{snake(example.row.package)}_{example.key.lower()}"
    return "\n".join(
        [
            *lines,
            "",
            f"# lambda_.Function(self, …, runtime=lambda_.Runtime.{example.cdk_runtime}, "
            f"architecture=lambda_.Architecture.{example.cdk_architecture}, layers=[{variable}], …)",
        ]
    )


def _mapping(layers: Sequence[Layer]) -> list[str]:
    """A CloudFormation mapping: region → layer → ARN."""
    lines = ["Mappings:", f"  {pascal(layers[0].row.package)}Layers:"]
    for region in dict.fromkeys(region for layer in layers for region in layer.arns):
        lines.append(f"    {region}:")
        lines += [f"      {layer.key}: {layer.arns[region]}" for layer in layers if region in layer.arns]
    return lines


def _in_map(layer: Layer) -> str:
    return f"!FindInMap [{pascal(layer.row.package)}Layers, !Ref AWS::Region, {layer.key}]"


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


def cloudformation(layers: Sequence[Layer]) -> str:
    example = example_of(layers)
    return "\n".join(
        [
            heading(layers),
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


def sam(layers: Sequence[Layer]) -> str:
    example = example_of(layers)
    return "\n".join(
        [
            heading(layers),
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
