"""A session of boto3 whose clients are one error if the AWS settings or the credentials cannot be used."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import boto3
import botocore.session
from botocore.exceptions import BotoCoreError, CredentialRetrievalError

from builder.model.errors import InputError
from publisher.aws.error_codes import CORRECT_SETTINGS, translate_error
from publisher.aws.fanout import credentials_error
from publisher.aws.gateway import CredentialsRefused
from publisher.aws.response_parser import INVALID


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
