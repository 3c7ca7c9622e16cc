"""CloudFormation for what a matrix needs in its account: roles for GitHub's jobs, buckets. Pure: matrix → template.

``scope`` holds the input, ``template`` fills the templates: ``roles.yaml.jinja``, ``staging.yaml.jinja`` with
``region.yaml.jinja`` in it, and ``ledger.yaml.jinja``. ``policies.jinja`` has the statements that several roles share.
"""
