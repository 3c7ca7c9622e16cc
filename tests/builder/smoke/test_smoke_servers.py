"""The servers of the smoke test: Bedrock's event stream and Lambda's Runtime API."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any, cast
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from builder.model.errors import InputError
from builder.smoke.bedrock import BedrockServer, encode, respond
from builder.smoke.bedrock_model import default_model, read_script
from builder.smoke.runtime_api import FunctionError, RuntimeApi
from builder.smoke.smoke_test import multiply_model
from publisher.aws.session import new_session

PROMPT: list[dict[str, Any]] = [{"role": "user", "content": [{"text": "What is 17 times 23?"}]}]


@given(payload=st.dictionaries(st.text(max_size=8), st.text(max_size=30), max_size=4))
def test_botocore_reads_the_frames(payload: dict[str, str]) -> None:
    from botocore.eventstream import EventStreamBuffer

    buffer = EventStreamBuffer()
    buffer.add_data(encode("messageStart", payload))
    (event,) = list(buffer)
    assert json.loads(event.payload) == payload
    headers = cast("dict[str, str]", event.headers)
    assert headers[":event-type"] == "messageStart"
    assert headers[":message-type"] == "event"


def _client(bedrock: BedrockServer) -> Any:
    session: Any = new_session("x", "x")
    config = Config(retries={"total_max_attempts": 1})
    return session.client(
        "bedrock-runtime", region_name="us-east-1", endpoint_url=f"http://{bedrock.address}", config=config
    )


def test_the_model_calls_the_tool_and_returns_its_result() -> None:
    with BedrockServer(multiply_model) as bedrock:
        client = _client(bedrock)
        events = list(client.converse_stream(modelId="m", messages=PROMPT)["stream"])
        asked = "".join(e["contentBlockDelta"]["delta"]["toolUse"]["input"] for e in events if "contentBlockDelta" in e)
        assert json.loads(asked) == {"a": 17, "b": 23}
        assert {"messageStop": {"stopReason": "tool_use"}} in events
        use = {"toolUse": {"toolUseId": "1", "name": "multiply", "input": {}}}
        result = {"toolResult": {"toolUseId": "1", "content": [{"text": "391"}]}}
        turns = [*PROMPT, {"role": "assistant", "content": [use]}, {"role": "user", "content": [result]}]
        events = list(client.converse_stream(modelId="m", messages=turns)["stream"])
        text = "".join(e["contentBlockDelta"]["delta"]["text"] for e in events if "contentBlockDelta" in e)
        assert text == "The answer is 391."
        assert {"messageStop": {"stopReason": "end_turn"}} in events


def test_an_unusable_prompt_and_an_unknown_operation_are_refused_like_aws() -> None:
    with BedrockServer(multiply_model) as bedrock:
        client = _client(bedrock)
        with pytest.raises(ClientError, match="ValidationException"):
            client.converse_stream(modelId="m", messages=[{"role": "user", "content": [{"text": "no numbers"}]}])
        with pytest.raises(ClientError, match="UnknownOperationException"):
            client.invoke_model(modelId="m", body=b"{}")


def test_the_runtime_api_sends_an_event_and_receives_the_response() -> None:
    with RuntimeApi(limit=10) as api:
        prefix = f"http://{api.address}/2018-06-01/runtime"

        def function() -> None:
            with urlopen(f"{prefix}/invocation/next") as event:
                number, request = json.load(event)["n"], event.headers["Lambda-Runtime-Aws-Request-Id"]
                assert int(event.headers["Lambda-Runtime-Deadline-Ms"]) > 0
            answer = Request(f"{prefix}/invocation/{request}/response", json.dumps(number + 1).encode(), method="POST")
            urlopen(answer).close()

        thread = threading.Thread(target=function)
        thread.start()
        answer, seconds = api.invoke({"n": 1}, lambda: True)
        thread.join()
        assert (answer.kind, answer.body) == ("response", 2)
        assert 0 <= seconds < 10
        assert api.ready is not None
        with pytest.raises(HTTPError, match="404"):
            urlopen(f"{prefix}/other")


def test_a_function_that_exits_or_hangs_is_reported() -> None:
    with RuntimeApi(limit=0.3) as api:
        with pytest.raises(FunctionError, match="ended before"):
            api.invoke({}, lambda: False)
        with pytest.raises(FunctionError, match="timed out"):
            api.invoke({}, lambda: True)


def test_an_initialization_error_is_received() -> None:
    with RuntimeApi(limit=10) as api:
        body = json.dumps({"errorType": "X", "errorMessage": "y"}).encode()
        urlopen(Request(f"http://{api.address}/2018-06-01/runtime/init/error", body, method="POST")).close()
        answer, _ = api.invoke({}, lambda: True)
        assert (answer.kind, answer.body["errorType"]) == ("init-error", "X")


TOOL = {"toolSpec": {"name": "add", "description": "Add.", "inputSchema": {"json": {"type": "object"}}}}


def script_of(tmp_path: Path, turns: Any) -> Path:
    path = tmp_path / "script.json"
    path.write_text(json.dumps(turns))
    return path


def test_converse_and_converse_stream_return_the_scripted_turns(tmp_path: Path) -> None:
    turns = [{"text": "Wait.", "tools": [{"name": "add", "input": {"a": 1}}]}, "It is {tool_result}."]
    with BedrockServer(read_script(script_of(tmp_path, turns))) as bedrock:
        client = _client(bedrock)
        first = client.converse(
            modelId="arn:aws:bedrock:us-east-1::foundation-model/m", messages=PROMPT, toolConfig={"tools": [TOOL]}
        )
        assert first["stopReason"] == "tool_use"
        message = first["output"]["message"]
        assert message["content"] == [
            {"text": "Wait."},
            {"toolUse": {"toolUseId": "tool-1", "name": "add", "input": {"a": 1}}},
        ]
        result = {"toolResult": {"toolUseId": "tool-1", "content": [{"json": {"sum": 3}}]}}
        messages = [*PROMPT, message, {"role": "user", "content": [result]}]
        second = client.converse(modelId="m", messages=messages)
        assert second["output"]["message"]["content"] == [{"text": 'It is {"sum": 3}.'}]
        events = list(client.converse_stream(modelId="m", messages=PROMPT, toolConfig={"tools": [TOOL]})["stream"])
        assert [e["contentBlockStart"]["contentBlockIndex"] for e in events if "contentBlockStart" in e] == [1]
        assert {"messageStop": {"stopReason": "tool_use"}} in events


def test_a_scripted_tool_that_the_agent_does_not_have_is_named(tmp_path: Path) -> None:
    model = read_script(script_of(tmp_path, [{"tools": [{"name": "sub"}]}]))
    with BedrockServer(model) as bedrock, pytest.raises(ClientError, match="'sub'; the request offers: add"):
        _client(bedrock).converse(modelId="m", messages=PROMPT, toolConfig={"tools": [TOOL]})


def test_without_a_script_it_returns_text_and_calls_only_a_forced_tool() -> None:
    schema = {
        "type": "object",
        "required": ["name", "count", "kind", "inner"],
        "properties": {
            "name": {"type": "string"},
            "count": {"type": "integer", "minimum": 3},
            "kind": {"enum": ["x", "y"]},
            "inner": {"anyOf": [{"type": "object", "required": ["flag"], "properties": {"flag": {"type": "boolean"}}}]},
            "optional": {"type": "string"},
        },
    }
    tool = {"toolSpec": {"name": "Answer", "inputSchema": {"json": schema}}}
    with BedrockServer(default_model) as bedrock:
        client = _client(bedrock)
        free = client.converse(modelId="m", messages=PROMPT, toolConfig={"tools": [tool]})
        assert free["stopReason"] == "end_turn"
        choices: list[dict[str, Any]] = [{"any": {}}, {"tool": {"name": "Answer"}}]
        for choice in choices:
            config = {"tools": [tool], "toolChoice": choice}
            forced = client.converse(modelId="m", messages=PROMPT, toolConfig=config)
            (part,) = forced["output"]["message"]["content"]
            assert part["toolUse"]["input"] == {"name": "", "count": 3, "kind": "x", "inner": {"flag": False}}


@pytest.mark.parametrize(
    "turns", [None, [], {}, [1], [{}], [{"tool": "x"}], [{"text": 1}], [{"tools": [{"input": {}}]}], [{"tools": {}}]]
)
def test_an_invalid_script_is_bad_input(tmp_path: Path, turns: Any) -> None:
    with pytest.raises(InputError, match="model script"):
        read_script(script_of(tmp_path, turns))


@given(st.binary(max_size=60), st.sampled_from(["converse", "converse-stream"]))
def test_any_request_gets_a_response(body: bytes, operation: str) -> None:
    assert respond(f"/model/m/{operation}", body, default_model).status in (200, 400)


JSON = st.recursive(
    st.none() | st.integers() | st.text(max_size=4),
    lambda e: (
        st.lists(e, max_size=3)
        | st.dictionaries(
            st.sampled_from(["messages", "role", "content", "text", "toolConfig", "tools", "toolSpec", "name"]),
            e,
            max_size=3,
        )
    ),
)


@given(JSON)
def test_any_json_request_gets_a_response(value: Any) -> None:
    assert respond("/model/m/converse", json.dumps(value).encode(), default_model).status in (200, 400)
