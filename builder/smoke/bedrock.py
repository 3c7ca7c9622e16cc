"""A stand-in for Bedrock's ConverseStream: a model that asks for the tool ``multiply`` and then says what it gave.

Its answers are real event-stream messages ("Amazon event stream encoding"), which botocore's parser checks and reads.
"""

from __future__ import annotations

import json
import re
import struct
import zlib
from collections.abc import Callable, Iterable
from typing import Any

from builder.smoke.loopback_server import Handler, Server

Event = tuple[str, dict[str, Any]]
#: What a model says next in a conversation.
Model = Callable[[list[dict[str, Any]]], Iterable[Event]]
_STRING = 7  # type of a header's value


def encode(kind: str, payload: dict[str, Any]) -> bytes:
    """One event-stream message: lengths and their checksum, headers, JSON, the checksum of all."""
    texts = {":event-type": kind, ":content-type": "application/json", ":message-type": "event"}
    headers = b"".join(
        struct.pack(f">B{len(name)}sBH{len(value)}s", len(name), name.encode(), _STRING, len(value), value.encode())
        for name, value in texts.items()
    )
    body = json.dumps(payload).encode()
    prelude = struct.pack(">II", 16 + len(headers) + len(body), len(headers))
    message = prelude + struct.pack(">I", zlib.crc32(prelude)) + headers + body
    return message + struct.pack(">I", zlib.crc32(message))


def converse(messages: list[dict[str, Any]]) -> Iterable[Event]:
    """What the model says next: it asks for the product of the prompt's two numbers, then tells the tool's result."""
    last = messages[-1]["content"]
    results = [part["toolResult"] for part in last if "toolResult" in part]
    yield "messageStart", {"role": "assistant"}
    if results:
        texts = [str(part.get("text", part.get("json"))) for result in results for part in result["content"]]
        for piece in ("The answer is ", *texts, "."):
            yield "contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": piece}}
    else:
        prompt = " ".join(part.get("text", "") for part in last)
        a, b = (int(number) for number in re.findall(r"\d+", prompt)[:2])
        use = {"toolUseId": "smoke-1", "name": "multiply"}
        yield "contentBlockStart", {"contentBlockIndex": 0, "start": {"toolUse": use}}
        for piece in (f'{{"a": {a}, ', f'"b": {b}}}'):
            yield "contentBlockDelta", {"contentBlockIndex": 0, "delta": {"toolUse": {"input": piece}}}
    yield "contentBlockStop", {"contentBlockIndex": 0}
    yield "messageStop", {"stopReason": "end_turn" if results else "tool_use"}
    usage = {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2}
    yield "metadata", {"usage": usage, "metrics": {"latencyMs": 1}}


class Bedrock(Server):
    """Answers ``POST /model/…/converse-stream`` as ``model`` does; any other call of AWS is refused as AWS refuses."""

    def __init__(self, model: Model = converse) -> None:
        super().__init__(type("_Requests", (_Requests,), {"model": staticmethod(model)}))


class _Requests(Handler):
    model: Model

    def do_POST(self) -> None:  # noqa: N802 - http.server's name
        body = self.body()
        if not re.fullmatch(r"/model/[^/]+/converse-stream", self.path):
            self._refuse(404, "UnknownOperationException", f"a smoke's stand-in has no {self.path}")
            return
        try:
            frames = b"".join(encode(kind, payload) for kind, payload in self.model(json.loads(body)["messages"]))
        except (KeyError, IndexError, TypeError, ValueError) as error:
            self._refuse(400, "ValidationException", f"not a request that the stand-in understands: {error!r}")
            return
        self.answer(200, frames, {"Content-Type": "application/vnd.amazon.eventstream"})

    def do_GET(self) -> None:  # noqa: N802 - http.server's name
        self._refuse(404, "UnknownOperationException", f"a smoke's stand-in has no {self.path}")

    do_PUT = do_GET  # noqa: N815

    def _refuse(self, status: int, kind: str, message: str) -> None:
        self.answer_json(status, {"message": message}, {"x-amzn-ErrorType": kind})
