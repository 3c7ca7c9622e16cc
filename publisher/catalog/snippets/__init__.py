"""Snippets for the tools that people deploy with. Format ``x`` has the template ``x.jinja`` in this folder."""

from typing import Final

#: The formats of ``layers describe --format``, with their names on the page.
FORMATS: Final = {
    "arn": "ARN",
    "cdk": "CDK TypeScript",
    "cdk-python": "CDK Python",
    "sam": "SAM",
    "cloudformation": "CloudFormation",
    "terraform": "Terraform",
    "serverless": "Serverless",
    "cli": "AWS CLI",
}
