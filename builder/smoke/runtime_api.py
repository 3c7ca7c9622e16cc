"""A server for the part of Lambda's Runtime API (developer guide, "Using the Lambda runtime API") that clients use."""

from __future__ import annotations

import json
import queue
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from builder.smoke.loopback_server import LoopbackHandler, LoopbackServer

_PREFIX = "/2018-06-01/runtime/"
_FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:smoke"


@dataclass(frozen=True)
class FunctionResponse:
    """The result of an invocation, or of a failed start."""

    kind: str  #: ``response``, ``error``, ``init-error``
    body: Any
    at: float  #: ``time.monotonic()``


class FunctionError(Exception):
    """The function failed: it ended, timed out or returned an invalid response."""


class EndedError(FunctionError):
    """Its process ended."""


class TimedOutError(FunctionError):
    """The function did not respond within its timeout."""


class RuntimeApi(LoopbackServer):
    """Sends events to the function's runtime client, and receives its responses.

    ``limit`` is the timeout of an invocation in seconds, ``start`` the additional time until the function requests its
    first event.
    """

    def __init__(self, limit: float, *, start: float = 0.0, arn: str = _FUNCTION) -> None:
        self._limit = limit
        self._start = start
        self._arn = arn
        self._events: queue.Queue[tuple[bytes, str] | None] = queue.Queue()
        self._responses: queue.Queue[FunctionResponse] = queue.Queue()
        self.ready: float | None = None  #: the time of the function's first request for an event
        self._given: float | None = None
        super().__init__(_RuntimeRequests, api=self)

    def invoke(
        self, event: object, alive: Callable[[], bool], request_id: str | None = None
    ) -> tuple[FunctionResponse, float]:
        """Invoke the function; return its response, and the seconds between event and response."""
        deadline = time.monotonic() + self._limit + (0 if self.ready else self._start)
        self._given = None
        self._events.put((json.dumps(event).encode(), request_id or str(uuid.uuid4())))
        while True:
            try:
                response = self._responses.get(timeout=0.1)
            except queue.Empty:
                if not alive():
                    raise EndedError("the function's process ended before it responded") from None
                if time.monotonic() > min(deadline, (self._given or deadline) + self._limit):
                    raise TimedOutError(f"the function timed out after {self._limit:.0f} s") from None
            else:
                return response, response.at - (self._given or response.at)

    def close(self) -> None:
        """Unblock a client that waits for an event."""
        self._events.put(None)


class _RuntimeRequests(LoopbackHandler):
    api: RuntimeApi

    def do_GET(self) -> None:  # noqa: N802 - http.server's name
        if self.path != f"{_PREFIX}invocation/next":
            self.respond_json(404, {"errorMessage": "no such path"})
            return
        self.api.ready = self.api.ready or time.monotonic()
        event = self.api._events.get()
        if event is None:
            self.close_connection = True
            return
        headers = {
            "Content-Type": "application/json",
            "Lambda-Runtime-Aws-Request-Id": event[1],
            "Lambda-Runtime-Deadline-Ms": str(int((time.time() + self.api._limit) * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": self.api._arn,
            "Lambda-Runtime-Trace-Id": "Root=1-00000000-000000000000000000000000;Sampled=0",
        }
        self.api._given = time.monotonic()
        self.respond(200, event[0], headers)

    def do_POST(self) -> None:  # noqa: N802 - http.server's name
        received = time.monotonic()
        body = self.body()
        path = self.path.removeprefix(_PREFIX)
        kind = "init-error" if path == "init/error" else path.rpartition("/")[2]
        if kind not in ("response", "error", "init-error"):
            self.respond_json(404, {"errorMessage": "no such path"})
            return
        self.respond_json(202, {"status": "OK"})
        self.api._responses.put(FunctionResponse(kind, _json(body), received))


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return body.decode("utf-8", "replace")
