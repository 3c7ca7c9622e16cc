"""A stand-in for Amazon Bedrock's Converse and ConverseStream, for ``layers smoke`` and the embedded AWS.

The responses of ConverseStream are real event-stream messages ("Amazon event stream encoding"), which the SDKs check.
"""

from __future__ import annotations

import json
import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from builder.smoke.bedrock_model import Model, Turn
from builder.smoke.loopback_server import LoopbackHandler, LoopbackServer

Event = tuple[str, dict[str, Any]]
#: The path of a request; a model's ARN may contain slashes.
_OPERATION = re.compile(r"/model/.+/(converse|converse-stream)")
_STRING_HEADER = 7  # header value type "string" in the encoding
_USAGE = {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2}


@dataclass(frozen=True)
class BedrockResponse:
    """An HTTP response of Bedrock."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


def is_model_request(path: str) -> bool:
    """Whether a path is one of Bedrock's runtime API."""
    return path.startswith("/model/")


def respond(path: str, body: bytes, model: Model) -> BedrockResponse:
    """Return the response to a POST request; an AWS error response if the stand-in does not support it."""
    operation = _OPERATION.fullmatch(path)
    if operation is None:
        return _error(
            404, "UnknownOperationException", f"the Bedrock stand-in has only Converse and ConverseStream, not {path}"
        )
    try:
        turn = model(json.loads(body))
        if operation[1] == "converse":
            return _json_response(200, _message(turn))
        stream = b"".join(encode(kind, payload) for kind, payload in _events(turn))
        return BedrockResponse(200, stream, {"Content-Type": "application/vnd.amazon.eventstream"})
    except (LookupError, TypeError, AttributeError, ValueError, RecursionError) as error:
        reason = str(error) if type(error) is ValueError else repr(error)
        return _error(400, "ValidationException", f"the Bedrock stand-in does not support this request: {reason}")


def _error(status: int, kind: str, message: str) -> BedrockResponse:
    response = _json_response(status, {"message": message})
    return BedrockResponse(status, response.body, {**response.headers, "x-amzn-ErrorType": kind})


def _json_response(status: int, value: Any) -> BedrockResponse:
    return BedrockResponse(status, json.dumps(value).encode(), {"Content-Type": "application/json"})


def _message(turn: Turn) -> dict[str, Any]:
    """Return the response of Converse."""
    text = [{"text": turn.text}] if turn.text or not turn.calls else []
    calls = [
        {"toolUse": {"toolUseId": f"tool-{number}", "name": call.name, "input": call.input}}
        for number, call in enumerate(turn.calls, 1)
    ]
    return {
        "output": {"message": {"role": "assistant", "content": [*text, *calls]}},
        "stopReason": turn.stop_reason,
        "usage": _USAGE,
        "metrics": {"latencyMs": 1},
    }


def _events(turn: Turn) -> Iterator[Event]:
    """Yield the events of ConverseStream. Texts and inputs come in two pieces, because clients must join pieces."""
    yield "messageStart", {"role": "assistant"}
    index = 0
    if turn.text or not turn.calls:
        for piece in _halves(turn.text):
            yield "contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": piece}}
        yield "contentBlockStop", {"contentBlockIndex": 0}
        index = 1
    for number, call in enumerate(turn.calls, 1):
        use = {"toolUseId": f"tool-{number}", "name": call.name}
        yield "contentBlockStart", {"contentBlockIndex": index, "start": {"toolUse": use}}
        for piece in _halves(json.dumps(call.input)):
            yield "contentBlockDelta", {"contentBlockIndex": index, "delta": {"toolUse": {"input": piece}}}
        yield "contentBlockStop", {"contentBlockIndex": index}
        index += 1
    yield "messageStop", {"stopReason": turn.stop_reason}
    yield "metadata", {"usage": _USAGE, "metrics": {"latencyMs": 1}}


def _halves(text: str) -> tuple[str, str]:
    return text[: len(text) // 2], text[len(text) // 2 :]


def encode(kind: str, payload: dict[str, Any]) -> bytes:
    """Return one event-stream message: lengths and their checksum, headers, JSON, the checksum of everything."""
    texts = {":event-type": kind, ":content-type": "application/json", ":message-type": "event"}
    headers = b"".join(
        struct.pack(
            f">B{len(name)}sBH{len(value)}s", len(name), name.encode(), _STRING_HEADER, len(value), value.encode()
        )
        for name, value in texts.items()
    )
    body = json.dumps(payload).encode()
    prelude = struct.pack(">II", 16 + len(headers) + len(body), len(headers))
    message = prelude + struct.pack(">I", zlib.crc32(prelude)) + headers + body
    return message + struct.pack(">I", zlib.crc32(message))


class BedrockServer(LoopbackServer):
    """Serves the stand-in on 127.0.0.1 for a ``with`` block; any other AWS request gets AWS's error."""

    def __init__(self, model: Model) -> None:
        super().__init__(_BedrockRequests, model=staticmethod(model))


class _BedrockRequests(LoopbackHandler):
    model: Model

    def do_POST(self) -> None:  # noqa: N802 - http.server's name
        response = respond(self.path, self.body(), self.model)
        self.respond(response.status, response.body, response.headers)

    def do_GET(self) -> None:  # noqa: N802 - http.server's name
        self.do_POST()

    do_PUT = do_GET  # noqa: N815
