"""The port to the parameters of one region, and boto3 behind it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

import botocore.config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from publisher.aws.error_codes import of_boto_error
from publisher.parameters.expected import Parameter

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient

#: The most names that one request takes (API reference, GetParameters and DeleteParameters).
PAGE = 10

#: Unlike a layer's publishing, all of this may be sent again; SSM takes three writes a second.
_CONFIG = botocore.config.Config(
    retries={"total_max_attempts": 8, "mode": "adaptive"},
    connect_timeout=6,
    read_timeout=20,
    user_agent_extra="strands-layers",
)


class Parameters(Protocol):
    """The parameters of one region. Every method raises GatewayError."""

    def read(self, names: Sequence[str]) -> Mapping[str, str]:
        """The values of those that are there."""

    def write(self, parameter: Parameter) -> None:
        """Make a parameter, or give it this value."""

    def remove(self, names: Sequence[str]) -> None:
        """Remove parameters; nothing happens where one is not there."""


class SsmParameters:
    """SSM's Parameter Store, by boto3."""

    def __init__(self, client: SSMClient) -> None:
        self._client = client

    def read(self, names: Sequence[str]) -> Mapping[str, str]:
        found: dict[str, str] = {}
        for page in _pages(names):
            with _translated():
                answer = self._client.get_parameters(Names=page)
                found.update({each["Name"]: each["Value"] for each in answer["Parameters"]})
        return found

    def write(self, parameter: Parameter) -> None:
        with _translated():
            self._client.put_parameter(
                Name=parameter.name,
                Value=parameter.arn,
                Description=parameter.description,
                Type="String",
                Overwrite=True,
            )

    def remove(self, names: Sequence[str]) -> None:
        for page in _pages(names):
            with _translated():
                self._client.delete_parameters(Names=page)


def connect(regions: Sequence[str]) -> Mapping[str, Parameters]:
    """The parameters of each region, found as boto3 finds AWS."""
    import boto3

    session = boto3.session.Session()
    return {region: SsmParameters(session.client("ssm", region_name=region, config=_CONFIG)) for region in regions}


def _pages(names: Sequence[str]) -> Iterator[list[str]]:
    return (list(names[start : start + PAGE]) for start in range(0, len(names), PAGE))


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (ClientError, BotoCoreError, ResponseParserError) as error:
        raise of_boto_error(error) from None
