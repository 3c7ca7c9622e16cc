"""The model of the Bedrock stand-in: its turns come from a script or from a simple rule."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from builder.model.errors import InputError
from builder.model.file_access import read_file

#: The body of a Converse or ConverseStream request (Amazon Bedrock API reference).
ConverseRequest = Mapping[str, Any]

_PLACEHOLDER = "{tool_result}"
_DEFAULT_TEXT = "This is the answer of the Bedrock stand-in."
_MAX_SCRIPT_BYTES = 1024 * 1024
_MAX_SCHEMA_DEPTH = 8


@dataclass(frozen=True)
class ToolCall:
    """A tool that the model calls, with its input."""

    name: str
    input: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Turn:
    """One message of the model: text, tool calls, or both."""

    text: str = ""
    calls: tuple[ToolCall, ...] = ()

    @property
    def stop_reason(self) -> str:
        """Bedrock's ``stopReason``."""
        return "tool_use" if self.calls else "end_turn"


#: A function from a request to the model's next turn.
Model = Callable[[ConverseRequest], Turn]


def default_model(request: ConverseRequest) -> Turn:
    """Call the tool that the request forces, with the smallest input that its schema allows; else return a text."""
    if not tool_results(request):
        tools = {tool["name"]: tool for tool in offered_tools(request)}
        choice = request.get("toolConfig", {}).get("toolChoice", {})
        forced = choice.get("tool", {}).get("name") or (next(iter(tools), None) if "any" in choice else None)
        if forced is not None and forced in tools:
            schema = tools[forced].get("inputSchema", {}).get("json", {})
            return Turn(calls=(ToolCall(forced, minimal_input(schema)),))
    return Turn(" ".join(filter(None, [_DEFAULT_TEXT, *tool_results(request)])))


def scripted_model(turns: Sequence[Turn]) -> Model:
    """Return a model that goes through these turns in each conversation, and starts again after the last.

    The number of the model's messages in the request selects the turn, so parallel conversations are
    independent. ``{tool_result}`` in a text stands for what the tools returned.
    """

    def model(request: ConverseRequest) -> Turn:
        number = sum(message["role"] == "assistant" for message in request["messages"])
        turn = turns[number % len(turns)]
        offered = [tool["name"] for tool in offered_tools(request)]
        for call in turn.calls:
            if call.name not in offered:
                names = ", ".join(offered) or "none"
                raise ValueError(f"the script calls the tool {call.name!r}; the request offers: {names}")
        return Turn(turn.text.replace(_PLACEHOLDER, " ".join(tool_results(request))), turn.calls)

    return model


def read_script(path: Path) -> Model:
    """Read a model's script, a JSON list of turns. Raises InputError if it is invalid.

    A turn is a text, or an object with ``text`` and ``tools``, a list of ``{"name": …, "input": {…}}``.
    """
    try:
        turns = json.loads(read_file(path, "the model script", _MAX_SCRIPT_BYTES))
        if not isinstance(turns, list) or not turns:
            raise ValueError("not a list of turns")
        return scripted_model([_turn(each, number) for number, each in enumerate(turns, 1)])
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"not a model script: {error}",
            where=str(path),
            fix='write a JSON list like [{"tools": [{"name": "add", "input": {"a": 1}}]}, "It is {tool_result}."]',
        ) from None


def _turn(value: Any, number: int) -> Turn:
    if isinstance(value, str):
        return Turn(value)
    if isinstance(value, dict) and value and value.keys() <= {"text", "tools"}:
        text, tools = value.get("text", ""), value.get("tools", [])
        if isinstance(text, str) and isinstance(tools, list) and all(map(_is_tool_call, tools)):
            return Turn(text, tuple(ToolCall(tool["name"], tool.get("input", {})) for tool in tools))
    raise ValueError(f"turn {number} is neither a text nor an object with `text` and `tools`")


def _is_tool_call(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and value.keys() <= {"name", "input"}
        and isinstance(value.get("name"), str)
        and isinstance(value.get("input", {}), dict)
    )


def offered_tools(request: ConverseRequest) -> list[dict[str, Any]]:
    """Return the tool specifications in a request."""
    tools = request.get("toolConfig", {}).get("tools", [])
    return [tool["toolSpec"] for tool in tools if "toolSpec" in tool]


def tool_results(request: ConverseRequest) -> list[str]:
    """Return what the tools returned, from the last message of a request, as text."""
    parts = [part["toolResult"] for part in request["messages"][-1]["content"] if "toolResult" in part]
    return [
        content["text"] if "text" in content else json.dumps(content.get("json"))
        for part in parts
        for content in part["content"]
    ]


def minimal_input(schema: Any, depth: int = 0) -> Any:
    """Return the smallest value that a JSON Schema allows, for the parts of JSON Schema that tools use."""
    if not isinstance(schema, dict) or depth > _MAX_SCHEMA_DEPTH:
        return None
    for key in ("const", "default"):
        if key in schema:
            return schema[key]
    if schema.get("enum"):
        return schema["enum"][0]
    for key in ("anyOf", "oneOf", "allOf"):
        if schema.get(key):
            return minimal_input(schema[key][0], depth + 1)
    kind = schema.get("type")
    kind = kind[0] if isinstance(kind, list) and kind else kind
    if kind == "object" or (kind is None and "properties" in schema):
        properties = schema.get("properties", {})
        return {name: minimal_input(properties.get(name), depth + 1) for name in schema.get("required", [])}
    minimum = schema.get("minimum", 0)
    return {"string": "", "integer": minimum, "number": minimum, "boolean": False, "array": []}.get(str(kind))
