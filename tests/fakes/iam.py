"""A policy evaluator for the part of IAM that the templates of ``layers infra`` use.

It follows the IAM user guide ("Policy evaluation logic", "IAM JSON policy elements"): an explicit Deny wins, an Allow
is needed, all conditions of a statement must hold. An unknown element of a statement is an error, so that nothing is
ignored. ``tests/endtoend/test_iam_simulator.py`` compares it with a maintained simulator.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

Statement = Mapping[str, Any]
Context = Mapping[str, "str | tuple[str, ...]"]


@dataclass(frozen=True)
class Request:
    """One authorization request: an action on an ARN, or on ``*`` if AWS defines no resource for the action."""

    action: str
    resource: str
    context: Context = field(default_factory=dict, hash=False)
    principal: str | None = None  #: for resource and trust policies: ``Service lambda.amazonaws.com``


def allowed(statements: Iterable[Statement], request: Request) -> bool:
    """Return whether these statements allow the request."""
    effects = {statement["Effect"] for statement in statements if _applies(statement, request)}
    return effects == {"Allow"}


def named(statements: Iterable[Statement], actions: Iterable[str]) -> set[str]:
    """Return the actions that any of these statements names, for any resource and condition."""
    patterns = {pattern.lower() for statement in statements for pattern in _list(statement["Action"])}
    any_of_them = re.compile("|".join(f"(?:{_pattern(pattern).pattern})" for pattern in sorted(patterns)), re.DOTALL)
    return {action for action in actions if any_of_them.fullmatch(action.lower())}


_KNOWN = {"Sid", "Effect", "Action", "Resource", "Principal", "Condition"}


def _applies(statement: Statement, request: Request) -> bool:
    if unknown := set(statement) - _KNOWN:
        raise NotImplementedError(f"elements {unknown} of a statement")
    if not named([statement], [request.action]):
        return False
    if "Resource" in statement and not any(_like(r, request.resource) for r in _list(statement["Resource"])):
        return False
    if ("Principal" in statement) != (request.principal is not None):
        raise NotImplementedError("a principal in an identity's policy, or none in a resource's")
    if request.principal is not None and request.principal not in _principals(statement["Principal"]):
        return False
    conditions = statement.get("Condition", {})
    return all(
        _holds(operator, _list(wanted), _of(request.context, key))
        for operator, keys in conditions.items()
        for key, wanted in keys.items()
    )


def _holds(operator: str, wanted: list[str], found: tuple[str, ...] | None) -> bool:
    """Return whether a condition holds. ``found`` is None if the request does not have the key."""
    if operator == "Null":
        return (found is None) == (wanted == ["true"])
    if operator == "ForAllValues:StringLike":
        return all(any(_like(pattern, value) for pattern in wanted) for value in found or ())
    if found is not None and len(found) != 1:
        raise NotImplementedError(f"{operator} of several values")
    value = found[0] if found else None
    match operator:
        case "StringEquals" | "Bool":
            return value in wanted
        case "StringNotEquals":
            return value not in wanted
        case "StringLike":
            return value is not None and any(_like(pattern, value) for pattern in wanted)
        case _:
            raise NotImplementedError(f"the operator {operator}")


def _of(context: Context, key: str) -> tuple[str, ...] | None:
    values = {name.lower(): value for name, value in context.items()}.get(key.lower())
    return (values,) if isinstance(values, str) else values


def _principals(principal: Any) -> set[str]:
    if not isinstance(principal, Mapping):
        raise NotImplementedError(f"the principal {principal}")
    return {f"{kind} {name}" for kind, names in principal.items() for name in _list(names)}


def _like(pattern: str, text: str) -> bool:
    return _pattern(pattern).fullmatch(text) is not None


@cache
def _pattern(pattern: str) -> re.Pattern[str]:
    if "${" in pattern:
        raise NotImplementedError(f"the policy variable in {pattern}")
    return re.compile("".join({"*": ".*", "?": "."}.get(letter) or re.escape(letter) for letter in pattern), re.DOTALL)


def _list(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


# -- templates ---------------------------------------------------------------------------------------------------------


def resolved(template: Mapping[str, Any], parameters: Mapping[str, str], account: str) -> dict[str, Any]:
    """Return the resources that CloudFormation would create; without those whose condition does not hold.

    A reference to a role is its name and ``Arn`` its ARN; a reference to GitHub's provider is the provider's ARN.
    """
    made = _Resolver(template, parameters, account)
    return {key: made.value(each) for key, each in template["Resources"].items() if made.belongs_in_layer(each)}


class _Resolver:
    def __init__(self, template: Mapping[str, Any], parameters: Mapping[str, str], account: str) -> None:
        defaults = {key: each.get("Default") for key, each in template.get("Parameters", {}).items()}
        self._parameters = {**defaults, **parameters}
        self._conditions = template.get("Conditions", {})
        self._resources = template["Resources"]
        self._iam = f"arn:{re.findall('arn:([a-z-]+):', json.dumps(template))[0]}:iam::{account}"

    def belongs_in_layer(self, resource: Mapping[str, Any]) -> bool:
        return "Condition" not in resource or bool(self.value(self._conditions[resource["Condition"]]))

    def value(self, item: Any) -> Any:
        match item:
            case {"Ref": name}:
                return self._reference(name)
            case {"Fn::GetAtt": [name, "Arn"]}:
                return f"{self._iam}:role/{self._reference(name)}"
            case {"Fn::Sub": text}:
                return re.sub(r"\$\{(\w+)\}", lambda match: str(self._reference(match[1])), text)
            case {"Fn::Equals": [one, other]}:
                return self.value(one) == self.value(other)
            case {"Fn::If": [name, yes, no]}:
                return self.value(yes if self.value(self._conditions[name]) else no)
            case dict():
                return {key: self.value(inner) for key, inner in item.items()}
            case list():
                return [self.value(inner) for inner in item]
        return item

    def _reference(self, name: str) -> Any:
        if name in self._parameters:
            return self._parameters[name]
        properties = self._resources[name]["Properties"]
        match self._resources[name]["Type"]:
            case "AWS::IAM::Role":
                return properties["RoleName"]
            case "AWS::IAM::OIDCProvider":
                return f"{self._iam}:oidc-provider/{properties['Url'].removeprefix('https://')}"
            case "AWS::S3::Bucket":
                return self.value(properties["BucketName"])
        raise NotImplementedError(f"a reference to {name}")


def statements_of(role: Mapping[str, Any]) -> list[Statement]:
    """Return the statements of a role's policies."""
    return [each for policy in role["Properties"].get("Policies", []) for each in policy["PolicyDocument"]["Statement"]]


def trust_of(role: Mapping[str, Any]) -> list[Statement]:
    """Return the statements of a role's trust policy."""
    return list(role["Properties"]["AssumeRolePolicyDocument"]["Statement"])
