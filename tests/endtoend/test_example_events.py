"""How the examples read a prompt from an event: invoked, or called through a function URL."""

from __future__ import annotations

import base64
import importlib.util
import json
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import REPOSITORY

CODE = REPOSITORY / "examples" / "deploy_to_lambda" / "lambda"


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("invocation", CODE / "invocation.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


invocation = load()
PROMPTS = st.text(min_size=1).filter(str.strip)


def through_url(body: str | None, *, coded: bool = False) -> dict[str, Any]:
    if coded and body is not None:
        body = base64.b64encode(body.encode()).decode()
    return {"requestContext": {"http": {"method": "POST"}}, "body": body, "isBase64Encoded": coded}


@given(PROMPTS)
def test_a_prompt_is_read_from_every_form_of_event(prompt: str) -> None:
    body = json.dumps({"prompt": prompt})
    for event in ({"prompt": prompt}, through_url(body), through_url(body, coded=True)):
        assert invocation.prompt_of(event) == prompt


NOT_A_PROMPT = st.one_of(st.none(), st.booleans(), st.integers(), st.just(""), st.just("  "), st.lists(st.text()))


@given(NOT_A_PROMPT)
def test_an_invalid_prompt_fails_an_invocation_and_gives_400_from_a_url(value: Any) -> None:
    handler = invocation.handles(lambda prompt: pytest.fail("the agent was asked"))
    with pytest.raises(invocation.BadRequestError):
        handler({"prompt": value}, None)
    assert handler(through_url(json.dumps({"prompt": value})), None)["statusCode"] == 400


@pytest.mark.parametrize("body", [None, "", "{", "[]", '"text"', "null", "{}"])
@pytest.mark.parametrize("coded", [False, True])
def test_an_invalid_body_gives_400_with_the_fix(body: str | None, coded: bool) -> None:
    answer = invocation.handles(str)(through_url(body, coded=coded), None)
    assert answer["statusCode"] == 400
    assert json.loads(answer["body"])["error"]


@pytest.mark.parametrize("body", ["a", "&&", base64.b64encode(b"\xff\xfe{").decode()])
def test_an_undecodable_body_gives_400(body: str) -> None:
    event = {**through_url(None), "body": body, "isBase64Encoded": True}
    assert invocation.handles(str)(event, None)["statusCode"] == 400


@given(PROMPTS)
def test_a_failing_agent_fails_the_invocation(prompt: str) -> None:
    def fails(prompt: str) -> str:
        raise ValueError("of the agent's own")

    for event in ({"prompt": prompt}, through_url(json.dumps({"prompt": prompt}))):
        with pytest.raises(ValueError, match="of the agent's own"):
            invocation.handles(fails)(event, None)
