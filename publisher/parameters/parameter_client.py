"""The interface to the SSM parameters of one region, and its implementation with boto3."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from builder.model.stop import Stop
from publisher.aws.response_parser import required
from publisher.aws.services import client_config, translated
from publisher.aws.session import new_session
from publisher.parameters.expected import Parameter

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient

#: Names in one request (API reference, GetParameters and DeleteParameters).
MAX_NAMES_PER_REQUEST = 10

#: Unlike PublishLayerVersion, all of these requests are safe to repeat. SSM accepts three writes a second.
_CONFIG = client_config(8, read_timeout_seconds=20, mode="adaptive")


class ParameterStore(Protocol):
    """The SSM parameters of one region. Every method raises GatewayError."""

    def read(self, names: Sequence[str]) -> Mapping[str, str]:
        """Return the values of those that exist."""

    def write(self, parameter: Parameter) -> None:
        """Create a parameter, or change its value."""

    def remove(self, names: Sequence[str]) -> None:
        """Delete parameters, as far as they exist."""


class SsmParameters:
    """SSM's Parameter Store, through boto3."""

    def __init__(self, client: SSMClient) -> None:
        self._client = client

    def read(self, names: Sequence[str]) -> Mapping[str, str]:
        values: dict[str, str] = {}
        for page in _pages(names):
            with translated():
                parameters = required(self._client.get_parameters(Names=page), "Parameters")
                values.update({required(each, "Name"): required(each, "Value") for each in parameters})
        return values

    def write(self, parameter: Parameter) -> None:
        with translated():
            self._client.put_parameter(
                Name=parameter.name,
                Value=parameter.arn,
                Description=parameter.description,
                Type="String",
                Overwrite=True,
            )

    def remove(self, names: Sequence[str]) -> None:
        for page in _pages(names):
            with translated():
                self._client.delete_parameters(Names=page)


def connect(regions: Sequence[str], stop: Stop | None = None) -> Mapping[str, ParameterStore]:
    """Return the parameters of each region; boto3 finds AWS. Once ``stop`` is set, no request is sent any more."""
    session = new_session(stop=stop)
    return {region: SsmParameters(session.client("ssm", region_name=region, config=_CONFIG)) for region in regions}


def _pages(names: Sequence[str]) -> Iterator[list[str]]:
    return (list(names[start : start + MAX_NAMES_PER_REQUEST]) for start in range(0, len(names), MAX_NAMES_PER_REQUEST))
