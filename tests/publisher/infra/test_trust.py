"""Who may assume the roles of ``layers infra``, and what those of the staging buckets allow."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from builder.model.matrix import Matrix
from publisher.infra.scope import GITHUB, make_scope
from publisher.infra.template import plain, roles_template, staging_template
from tests.conftest import ACCOUNT
from tests.fakes.iam import Request, allowed, resolved, statements_of, trust_of
from tests.publisher.infra.role_cases import FULL, LEDGER, OWN, REPOSITORY, roles


def token(subject: str, audience: str = "sts.amazonaws.com", issuer: str = GITHUB) -> Request:
    return Request(
        "sts:AssumeRoleWithWebIdentity",
        "*",
        {f"{GITHUB}:aud": audience, f"{GITHUB}:sub": subject},
        f"Federated arn:aws:iam::{ACCOUNT}:oidc-provider/{issuer}",
    )


@pytest.mark.parametrize(
    ("name", "environment"),
    [
        ("Publisher", "layers-publish"),
        ("Auditor", "layers-audit"),
        ("CanaryRunner", "layers-canary"),
        ("Yanker", "layers-yank"),
    ],
)
def test_only_jobs_of_the_repository_and_the_roles_environment_may_assume_it(name: str, environment: str) -> None:
    trust = trust_of(roles(FULL)[name])
    subject = f"repo:{REPOSITORY}:environment:{environment}"
    assert allowed(trust, token(subject))
    others = {"layers-publish", "layers-audit", "layers-canary", "layers-yank", "production"} - {environment}
    refused = [
        *(token(f"repo:{REPOSITORY}:environment:{other}") for other in sorted(others)),
        token(f"repo:{REPOSITORY}:ref:refs/heads/main"),
        token(f"repo:{REPOSITORY}:pull_request"),
        token(f"repo:{REPOSITORY}-fork:environment:{environment}"),
        token(f"repo:somebody/layers:environment:{environment}"),
        token(f"{subject}-2"),
        token(f"repo:strands-agents@1/layers@2:environment:{environment}"),
        token(subject, audience="https://github.com/strands-agents"),
        token(subject, issuer="token.actions.example.com"),
        dataclasses.replace(token(subject), action="sts:AssumeRole"),
        dataclasses.replace(token(subject), principal="Service lambda.amazonaws.com"),
    ]
    assert [request for request in refused if allowed(trust, request)] == []


@pytest.mark.parametrize("made", ["true", "false"])
def test_the_oidc_provider_is_created_or_the_existing_one_is_trusted(made: str) -> None:
    template = plain(roles_template(make_scope(Matrix.model_validate(FULL), LEDGER)))
    resources = resolved(template, {"Repository": "a@1/b@2", "CreateProvider": made}, ACCOUNT)
    assert ("Provider" in resources) == (made == "true")
    assert allowed(trust_of(resources["Publisher"]), token("repo:a@1/b@2:environment:layers-publish"))


def test_the_canary_role_trusts_lambda_and_allows_nothing() -> None:
    role = roles(FULL)["Canary"]
    assert statements_of(role) == []
    assert allowed(trust_of(role), Request("sts:AssumeRole", "*", {}, "Service lambda.amazonaws.com"))
    assert not allowed(trust_of(role), Request("sts:AssumeRole", "*", {}, "Service ec2.amazonaws.com"))


def test_the_oidc_audience_in_china_is_that_of_its_partition() -> None:
    keys = {**FULL, "regions": ["cn-north-1"], "staging": {"bucket": "demo-{account}-{region}", "home": "cn-north-1"}}
    trust = trust_of(roles(keys)["Publisher"])
    subject = f"repo:{REPOSITORY}:environment:layers-publish"
    audience = "sts.amazonaws.com.cn"
    assert roles(keys)["Provider"]["Properties"]["ClientIdList"] == [audience]
    (statement,) = trust
    assert statement["Condition"]["StringEquals"][f"{GITHUB}:aud"] == audience
    assert statement["Condition"]["StringEquals"][f"{GITHUB}:sub"] == subject


def staging() -> dict[str, Any]:
    template = plain(staging_template(make_scope(Matrix.model_validate(FULL), LEDGER)))
    return resolved(template, {}, ACCOUNT)


@pytest.mark.parametrize(
    ("name", "may"), [("staging-demo-layers", True), ("staging-demo-layers-2", False), ("other", False)]
)
def test_only_the_staging_stack_set_may_assume_its_roles(name: str, may: bool) -> None:
    made = staging()
    source = f"arn:aws:cloudformation:eu-west-1:{ACCOUNT}:stackset/{name}:0f1e"
    context = {"aws:SourceAccount": ACCOUNT, "aws:SourceArn": source}
    request = Request("sts:AssumeRole", "*", context, "Service cloudformation.amazonaws.com")
    assert allowed(trust_of(made["Administration"]), request) == may
    administration = f"AWS arn:aws:iam::{ACCOUNT}:role/demo-layers-staging-administration"
    assert allowed(trust_of(made["Execution"]), Request("sts:AssumeRole", "*", {}, administration))
    assert not allowed(trust_of(made["Execution"]), Request("sts:AssumeRole", "*", {}, f"AWS {ACCOUNT}"))


def test_the_execution_role_creates_the_staging_buckets_only() -> None:
    policy = statements_of(staging()["Execution"])
    own = {"aws:ResourceAccount": ACCOUNT}
    stack = f"arn:aws:cloudformation:us-east-1:{ACCOUNT}:stack"
    assert allowed(policy, Request("s3:CreateBucket", OWN["bucket"], own))
    assert allowed(policy, Request("cloudformation:CreateStack", f"{stack}/StackSet-staging-demo-layers-1a/2b", own))
    assert allowed(policy, Request("s3:GetObject", "arn:aws:s3:::of-aws/template", {"aws:ResourceAccount": "1"}))
    refused = [
        Request("s3:CreateBucket", "arn:aws:s3:::other", own),
        Request("s3:DeleteBucket", OWN["bucket"], own),
        Request("s3:GetObject", OWN["zip"], own),
        Request("s3:PutObject", OWN["zip"], own),
        Request("cloudformation:DeleteStack", f"{stack}/other/2b", own),
        Request("iam:CreateRole", OWN["role"], own),
    ]
    assert [request for request in refused if allowed(policy, request)] == []
