"""The handler that smoke tests a layer with Strands: an agent on Bedrock that must call a tool."""

import time

_started = time.perf_counter()

import strands  # type: ignore[import-not-found]  # noqa: E402 - what is timed
from strands import Agent, tool  # noqa: E402
from strands.models import BedrockModel  # type: ignore[import-not-found]  # noqa: E402

IMPORT_SECONDS = time.perf_counter() - _started

from smoke_facts import facts  # type: ignore[import-not-found]  # noqa: E402

CALLS: "list[list[int]]" = []


@tool  # type: ignore[untyped-decorator]
def multiply(a: int, b: int) -> int:
    """Multiply two whole numbers.

    Args:
        a: The first number.
        b: The second number.
    """
    CALLS.append([a, b])
    return a * b


def handler(event: "dict[str, int]", context: object) -> "dict[str, object]":
    """Let the agent multiply; with ``imports``, import every distribution of the layer instead."""
    if "imports" in event:
        from smoke_imports import try_imports  # type: ignore[import-not-found]

        return {"failed": try_imports()}
    CALLS.clear()
    model = BedrockModel(model_id="smoke.stand-in-v1:0", region_name="us-east-1")
    agent = Agent(model=model, tools=[multiply], callback_handler=None)
    response = agent(f"What is {event['a']} times {event['b']}?")
    return {
        **facts(),
        "answer": str(response),
        "tool_calls": CALLS,
        "import_seconds": IMPORT_SECONDS,
        "loaded_from": strands.__file__,
    }
