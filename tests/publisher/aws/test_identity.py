"""Whose credentials these are, asked of STS: the matrix's account or nothing is touched."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from builder.model.errors import IncompleteError, InputError
from publisher.aws.identity import check_account
from scripts.simaws import SimulatedAws
from scripts.simaws.server import environment, serve
from tests.publisher.aws.test_lambda_client import canned
from tests.publisher.reconcile.plan_cases import small_matrix

MATRIX = small_matrix()


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatedAws]:
    aws = SimulatedAws(MATRIX.account, MATRIX.regions)
    with serve(aws) as address:
        for key, value in environment(address).items():
            monkeypatch.setenv(key, value)
        yield aws


@pytest.mark.usefixtures("aws")
def test_the_matrix_s_account() -> None:
    check_account(MATRIX)


@pytest.mark.usefixtures("aws")
def test_another_account() -> None:
    with pytest.raises(InputError, match="of account 123456789012; the matrix is of 999999999999"):
        check_account(small_matrix(account="999999999999"))


@pytest.mark.usefixtures("aws")
def test_credentials_that_aws_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(InputError, match="refuses the credentials"):
        check_account(MATRIX)


@pytest.mark.usefixtures("aws")
def test_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(InputError, match="no AWS credentials"):
        check_account(MATRIX)


def test_something_else_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    with canned(200, b"<html>sign in here</html>") as address:
        for key, value in environment(address).items():
            monkeypatch.setenv(key, value)
        with pytest.raises((IncompleteError, InputError)):
            check_account(MATRIX)
    with canned(200, b"sign in here") as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        with pytest.raises(IncompleteError):
            check_account(MATRIX)


def test_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    for key, value in environment("http://127.0.0.1:9").items():
        monkeypatch.setenv(key, value)
    with pytest.raises(IncompleteError, match="STS does not respond"):
        check_account(MATRIX)
