"""Sessions of boto3 share AWS's service models and nothing else; they name settings and credentials that fail."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from botocore.exceptions import CredentialRetrievalError

from builder.model.errors import InputError
from builder.model.stop import Stop
from publisher.aws.error_codes import translate_error
from publisher.aws.gateway import CredentialsMissing, Interrupted
from publisher.aws.session import new_session


def test_a_stopped_session_stops_no_other_session() -> None:
    stop, other = Stop(), new_session()
    stopped = new_session(stop=stop)
    stop("interrupted by SIGINT")
    with pytest.raises(Interrupted):
        stopped.events.emit("before-send.lambda.Invoke", request=None)
    for session in (other, new_session()):
        responses = session.events.emit("before-send.lambda.Invoke", request=None)
        assert [response for _, response in responses if response is not None] == []  # moto's own handler has none


@pytest.mark.parametrize(
    ("variables", "config", "named"),
    [
        ({"AWS_ENDPOINT_URL": "localhost:4566"}, "", "Invalid endpoint"),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:999999"}, "", "Port out of range"),
        ({"AWS_MAX_ATTEMPTS": "many"}, "", "ValueError"),
        ({"AWS_RETRY_MODE": "bogus"}, "", "InvalidRetryModeError"),
        ({"AWS_PROFILE": "nosuch"}, "", "ProfileNotFound"),
        ({"AWS_PROFILE": "p"}, "[profile p]\ncredential_process = /bin/false\n", "CredentialRetrievalError"),
        ({"AWS_PROFILE": "p"}, "[profile p]\ncredential_process = /bin/echo it\n", "JSONDecodeError"),
        ({"AWS_PROFILE": "p"}, "[profile p]\nrole_arn = arn:aws:iam::1:role/x\n", "PartialCredentialsError"),
        (
            {"AWS_PROFILE": "a"},
            "[profile a]\nrole_arn = x\nsource_profile = b\n[profile b]\nrole_arn = x\nsource_profile = a\n",
            "InfiniteLoopConfigError",
        ),
        ({}, "[profile\n", "ConfigParseError"),
    ],
)
def test_settings_that_boto3_cannot_use_are_an_input_error_with_a_fix(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variables: dict[str, str], config: str, named: str
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "config").write_text(config)
    for name, value in {"AWS_CONFIG_FILE": str(tmp_path / "config"), **variables}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match=named) as raised:
        new_session().client("lambda", region_name="us-east-1")
    assert raised.value.fix


def test_the_token_file_of_a_web_identity_that_cannot_be_read_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/publisher")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", "token")  # a longer path would be shortened in the message
    with pytest.raises(CredentialRetrievalError) as raised:
        new_session().client("sts", region_name="us-east-1").get_caller_identity()
    error = translate_error(raised.value)
    assert isinstance(error, CredentialsMissing)
    assert "FileNotFoundError: [Errno 2] No such file or directory: 'token'" in error.message


def test_new_credentials_that_are_expired_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    keys = {"Version": 1, "AccessKeyId": "a", "SecretAccessKey": "s", "Expiration": "2020-01-01T00:00:00Z"}
    (tmp_path / "config").write_text(f"[default]\ncredential_process = /bin/echo '{json.dumps(keys)}'\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    with pytest.raises(CredentialRetrievalError, match="the refreshed credentials are still expired"):
        new_session().client("sts", region_name="us-east-1").get_caller_identity()
