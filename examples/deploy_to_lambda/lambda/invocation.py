"""Read the prompt from a Lambda event. Every handler here uses this module."""

import base64
import functools
import json
import os
from collections.abc import Callable
from typing import Any

Event = dict[str, Any]

#: The model in Bedrock: the ID of a model or of an inference profile. None: the SDK's default.
MODEL = os.environ.get("MODEL_ID") or None


class BadRequestError(ValueError):
    """The event has no prompt."""


def prompt_of(event: Event) -> str:
    """Return the prompt of ``{"prompt": "…"}``, which is the event or the body of a request to a function URL."""
    request = event
    if "requestContext" in event:
        body = event.get("body") or "{}"
        try:
            request = json.loads(base64.b64decode(body) if event.get("isBase64Encoded") else body)
        except ValueError:
            raise BadRequestError("the body is no JSON") from None
    prompt = request.get("prompt") if isinstance(request, dict) else None
    if not isinstance(prompt, str) or not prompt.strip():
        raise BadRequestError('say what to do: {"prompt": "What is the weather in Seattle?"}')
    return prompt


def handles(answer: Callable[[str], str]) -> Callable[[Event, object], object]:
    """Return a Lambda handler for a function from prompt to answer. An invalid request to a function URL gives 400."""

    @functools.wraps(answer)
    def handler(event: Event, context: object) -> object:
        try:
            prompt = prompt_of(event)
        except BadRequestError as error:
            if "requestContext" not in event:
                raise
            headers = {"Content-Type": "application/json"}
            return {"statusCode": 400, "headers": headers, "body": json.dumps({"error": str(error)})}
        return answer(prompt)

    return handler
