"""Follow a documentation page: write its files, run its commands in one shell, invoke its functions."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builder.smoke.loopback_server import LoopbackHandler, LoopbackServer

Function = Callable[[Any], Any]


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, the word after it (a file name or a label), its text."""

    language: str
    word: str
    text: str


def blocks(page: Path) -> list[Block]:
    """Return the fenced blocks of a page."""
    found = re.findall(r"^```(\w*)(?: (\S+))?\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
    return [Block(*each) for each in found]


def commands(page: Path, word: str = "") -> str:
    """Return the commands of the page as one script, which also writes the files in between."""
    parts = []
    for block in blocks(page):
        if block.language != "sh":
            parts.append(f"mkdir -p $(dirname {block.word})\ncat > {block.word} <<'END'\n{block.text}END\n")
        elif block.word == word:
            parts.append(block.text)
    return "".join(parts)


def without_an_account(script: str) -> str:
    """Replace what needs AWS: the CDK only synthesizes, and its packages are already installed.

    `aws lambda invoke` and function URLs go to ``$INVOKE``.
    """
    script = script.replace("npm install\n", "").replace("npx cdk bootstrap\n", "")
    script = re.sub(r"npx cdk (deploy|destroy)", "npx cdk --no-notices --no-version-reporting synth --quiet", script)
    script = re.sub(r"aws lambda (invoke|get-function-url-config)", r'AWS_ENDPOINT_URL="$INVOKE" aws lambda \1', script)
    if _cli_version() == 1:  # version 1 takes raw payloads and does not know the option
        script = script.replace(" --cli-binary-format raw-in-base64-out", "")
    return script


def shell(script: str, folder: Path, *, sandbox: Path | None = None, **variables: str) -> str:
    """Run a script in a user's shell, under the sandbox of a matrix if there is one; return its output."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    command = ["sh", "-euxc", script]
    if sandbox is not None:
        command = ["layers", "--matrix", str(sandbox), "sandbox", "--", *command]
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, "PATH": path, **variables}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-5000:]}"
    return done.stdout


def _cli_version() -> int:
    """Return the major version of the AWS CLI that ``shell`` finds."""
    done = subprocess.run(
        [Path(sys.executable).parent / "aws", "--version"], capture_output=True, text=True, check=True
    )
    return int(done.stdout.removeprefix("aws-cli/").split(".")[0])


class Lambda(LoopbackServer):
    """Lambda's Invoke and function URLs, by function name. A function fails with AssertionError."""

    def __init__(self, functions: Mapping[str, Function]) -> None:
        outer = self

        class _Requests(LoopbackHandler):
            def do_GET(self) -> None:  # noqa: N802 - http.server's name
                name = self.path.removeprefix("/2021-10-31/functions/").removesuffix("/url")
                assert name in functions, self.path
                self.respond_json(200, {"FunctionUrl": f"http://{outer.address}/url/{name}"})

            def do_POST(self) -> None:  # noqa: N802 - http.server's name
                body = self.body()
                if self.path.startswith("/url/"):
                    self._through_url(functions[self.path.removeprefix("/url/")], body.decode())
                    return
                name = self.path.removeprefix("/2015-03-31/functions/").removesuffix("/invocations")
                try:
                    self.respond_json(200, functions[name](json.loads(body)))
                except AssertionError as error:
                    self.respond_json(200, {"errorMessage": str(error)}, {"X-Amz-Function-Error": "Unhandled"})

            def _through_url(self, function: Function, body: str) -> None:
                if not self.headers.get("Authorization", "").startswith("AWS4-HMAC-SHA256 "):
                    self.respond_json(403, {"Message": "Forbidden"})
                    return
                event = {"requestContext": {"http": {"method": "POST"}}, "body": body, "isBase64Encoded": False}
                answer = function(event)
                if isinstance(answer, dict) and "statusCode" in answer:
                    self.respond_json(answer["statusCode"], json.loads(answer["body"]))
                else:
                    self.respond_json(200, answer)

        super().__init__(_Requests)
