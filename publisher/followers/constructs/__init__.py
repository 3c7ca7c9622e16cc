"""Code for infrastructure as code, made from the index: CDK constructs and a Terraform module."""

from publisher.followers.constructs.construct_files import construct_files

__all__ = ["construct_files"]
