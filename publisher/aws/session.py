"""Sessions of boto3 that share one cache of AWS's service models."""

from __future__ import annotations

from copy import copy
from functools import cache
from typing import TYPE_CHECKING

from builder.model.stop import Stop
from publisher.aws.gateway import Interrupted

if TYPE_CHECKING:
    import boto3
    from botocore.hooks import BaseEventHooks
    from botocore.loaders import Loader


def new_session(
    access_key: str | None = None, secret_key: str | None = None, stop: Stop | None = None
) -> boto3.session.Session:
    """Return a new session. Without keys, boto3 finds the credentials and settings.

    A separate boto3 session parses each service model and registers 130 handlers again, which takes longer than most
    requests. Raises InputError for AWS settings that boto3 cannot use; so does a new client. After a stop is requested,
    the clients of the session send no request, except to clean up after an upload.
    """
    from publisher.aws.checked_session import CheckedCredentials, CheckedSession, checked_settings
    from publisher.aws.response_parser import StrictParsers

    core = CheckedCredentials(event_hooks=copy(_handlers()), include_builtin_handlers=False)
    with checked_settings():
        core.register_component("data_loader", _loader(core.get_config_variable("data_path")))
        core.register_component("response_parser_factory", StrictParsers())
        session = CheckedSession(access_key, secret_key, botocore_session=core)

    if stop is not None:

        def refuse(event_name: str, **_: object) -> None:
            if stop.requested and not event_name.endswith(".AbortMultipartUpload"):
                raise Interrupted(f"not sent: {stop.reason}")

        session.events.register("before-send", refuse)
    return session


@cache
def _handlers() -> BaseEventHooks:
    """Return the handlers that every session of botocore starts with."""
    import botocore.session
    from botocore.hooks import HierarchicalEmitter

    handlers = HierarchicalEmitter()
    botocore.session.Session(event_hooks=handlers)
    return handlers


@cache
def _loader(search_path: str | None) -> Loader:
    import botocore.loaders

    return botocore.loaders.create_loader(search_path)
