"""Sessions of boto3 share what takes long to create, and nothing else."""

from __future__ import annotations

import pytest

from builder.model.stop import Stop
from publisher.aws.gateway import Interrupted
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
