"""Code for infrastructure as code, made from the index: CDK constructs and a Terraform module."""
