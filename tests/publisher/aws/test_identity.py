"""The account of the credentials, read from STS: it must be the matrix's account."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from builder.model.errors import IncompleteError, InputError
from publisher.aws.identity import check_account
from scripts.simaws import SimulatedAws
from scripts.simaws.http_server import environment, serve
from tests.publisher.aws.client_cases import canned
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
def test_credentials_of_the_matrix_account_are_accepted() -> None:
    check_account(MATRIX)


@pytest.mark.usefixtures("aws")
def test_credentials_of_another_account_are_refused() -> None:
    with pytest.raises(InputError, match="account 123456789012, the matrix is for account 999999999999"):
        check_account(small_matrix(account="999999999999"))


@pytest.mark.usefixtures("aws")
def test_invalid_credentials_are_an_input_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(InputError, match="refuses the credentials"):
        check_account(MATRIX)


@pytest.mark.usefixtures("aws")
def test_missing_credentials_are_an_input_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(InputError, match="no AWS credentials"):
        check_account(MATRIX)


def test_a_response_that_is_not_from_sts_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with canned(200, b"<html>sign in here</html>") as address:
        for key, value in environment(address).items():
            monkeypatch.setenv(key, value)
        with pytest.raises((IncompleteError, InputError)):
            check_account(MATRIX)
    with canned(200, b"sign in here") as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        with pytest.raises(IncompleteError):
            check_account(MATRIX)


def test_an_unreachable_sts_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for key, value in environment("http://127.0.0.1:9").items():
        monkeypatch.setenv(key, value)
    with pytest.raises(IncompleteError, match="STS does not respond"):
        check_account(MATRIX)
