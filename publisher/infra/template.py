"""Fill the CloudFormation templates of this folder, and read them as CloudFormation does."""

from __future__ import annotations

import json
import re
from typing import Any

import yaml

from builder.model.errors import InputError
from publisher.aws import resource_names
from publisher.infra.scope import GITHUB, REPOSITORY, Scope
from publisher.text.templates import templates

#: Characters of all inline policies of a role together, without white space (IAM quotas).
MAX_INLINE_POLICY_CHARACTERS = 10_240


def roles_template(scope: Scope) -> str:
    """Return the template of GitHub's provider and the roles. Raises InputError if a policy exceeds IAM's limit."""
    text = _fill("roles", scope)
    for resource in plain(text)["Resources"].values():
        for policy in resource["Properties"].get("Policies", ()):
            size = len(json.dumps(policy["PolicyDocument"], separators=(",", ":")))
            if size > MAX_INLINE_POLICY_CHARACTERS:
                raise InputError(
                    f"the policy of {resource['Properties']['RoleName']} has {size:,} characters; "
                    f"IAM takes {MAX_INLINE_POLICY_CHARACTERS:,}",
                    fix="shorten layer_name, staging.bucket or parameters.prefix in the matrix, or give it fewer "
                    "regions",
                )
    return text


def staging_template(scope: Scope) -> str:
    """Return the template of the staging buckets of all regions. Raises InputError if the matrix has no staging."""
    if scope.matrix.staging is None:
        raise InputError(
            "the matrix has no `staging`: zips are sent in the request, so no buckets are needed",
            where="--part staging",
            fix="leave the part out, or set `staging` in the matrix",
        )
    return _fill("staging", scope, region_template=_fill("region", scope))


def ledger_template(scope: Scope) -> str:
    """Return the template of a ledger's bucket. Raises InputError if the ledger is not in S3."""
    if scope.ledger is None:
        raise InputError(
            "the ledger is in a folder and needs no bucket",
            where="--part ledger",
            fix="leave the part out, or name a bucket: --ledger s3://bucket/prefix",
        )
    return _fill("ledger", scope)


def plain(template: str) -> dict[str, Any]:
    """Return a template with its intrinsic functions in their long form, as JSON has them."""
    document: dict[str, Any] = yaml.load(template, _TemplateLoader)  # noqa: S506 - a SafeLoader
    return document


def _fill(name: str, scope: Scope, **values: str) -> str:
    template = templates(__package__).get_template(f"{name}.yaml.jinja")
    text = template.render(scope=scope, names=resource_names, github=GITHUB, repository_pattern=REPOSITORY, **values)
    return re.sub(r"\n\s*\n(?= {3})", "\n", text).strip() + "\n"  # blank lines only between sections and resources


class _TemplateLoader(yaml.SafeLoader):
    """Reads the short intrinsic functions of CloudFormation."""


def _function(loader: _TemplateLoader, name: str, node: yaml.Node) -> dict[str, Any]:
    value: Any = loader.construct_sequence(node, True) if isinstance(node, yaml.SequenceNode) else node.value
    if name == "Ref":
        return {"Ref": value}
    return {f"Fn::{name}": value.split(".") if name == "GetAtt" else value}


_TemplateLoader.add_multi_constructor("!", _function)
