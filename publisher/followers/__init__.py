"""Files for the tools that follow releases: Renovate, the CDK, Terraform."""
