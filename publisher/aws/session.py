"""Sessions of boto3 that report unusable settings, credentials and responses as this program's errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import boto3
import botocore.loaders
import botocore.session
from botocore.exceptions import BotoCoreError, CredentialRetrievalError

from builder.model.errors import InputError
from builder.model.stop import Stop
from publisher.aws.error_codes import CORRECT_SETTINGS, translate_error
from publisher.aws.fanout import credentials_error
from publisher.aws.gateway import CredentialsRefused, Interrupted
from publisher.aws.response_parser import INVALID, StrictParsers


def new_session(
    access_key: str | None = None, secret_key: str | None = None, stop: Stop | None = None
) -> boto3.session.Session:
    """Return a new session. Without keys, boto3 finds the credentials and settings.

    Raises InputError for AWS settings that boto3 cannot use; so does a new client. After a stop is requested, the
    clients of the session send no request, except to clean up after an upload.
    """
    core = CheckedCredentials()
    with checked_settings():
        core.register_component("data_loader", _shared_loader(core.get_config_variable("data_path")))
        core.register_component("response_parser_factory", StrictParsers())
        session = CheckedSession(access_key, secret_key, botocore_session=core)

    if stop is not None:

        def refuse(event_name: str, **_: object) -> None:
            if stop.requested and not event_name.endswith(".AbortMultipartUpload"):
                raise Interrupted(f"not sent: {stop.reason}")

        session.events.register("before-send", refuse)
    return session


@cache
def _shared_loader(search_path: str | None) -> botocore.loaders.Loader:
    """Return the loader of AWS's service models. All sessions share it: S3's takes 0.1 s."""
    return botocore.loaders.create_loader(search_path)


class CheckedSession(boto3.session.Session):
    """Raises InputError for a client that cannot be created: boto3 reads the settings and the credentials for it."""

    def client(self, *arguments: Any, **options: Any) -> Any:
        with checked_settings():
            client: Any = super().client(*arguments, **options)
            _ = urlsplit(client.meta.endpoint_url).port  # ValueError: boto3 would raise it for each request
            return client


class CheckedCredentials(botocore.session.Session):
    """Raises CredentialRetrievalError for credentials that cannot be read, also when they are renewed during a run."""

    def get_credentials(self) -> Any:
        credentials: Any = super().get_credentials()
        if credentials is not None and "get_frozen_credentials" not in vars(credentials):
            read = credentials.get_frozen_credentials

            def checked_read() -> Any:
                try:
                    return read()
                except (*INVALID, OSError, RuntimeError) as error:  # the file of a token; new, but expired credentials
                    text = f"{type(error).__name__}: {error}"
                    raise CredentialRetrievalError(provider=credentials.method, error_msg=text) from None

            credentials.get_frozen_credentials = checked_read
        return credentials


@contextmanager
def checked_settings() -> Iterator[None]:
    """Raise InputError for settings that boto3 cannot use."""
    try:
        yield
    except BotoCoreError as failure:
        error = translate_error(failure)
        if isinstance(error, CredentialsRefused):
            raise credentials_error(error, "the AWS settings") from None
        raise InputError(error.message, where="the AWS settings", fix=error.advice or CORRECT_SETTINGS) from None
    except INVALID as failure:  # of files and credential_process
        text = f"{type(failure).__name__}: {failure}"
        raise InputError(text, where="the AWS settings", fix=CORRECT_SETTINGS) from None
