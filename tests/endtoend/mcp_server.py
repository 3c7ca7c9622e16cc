"""Run an MCP server over streamable HTTP: ``python mcp_server.py PORT LOG``. Append each request's method to LOG.

The layer's Python runs it with the layer's mcp package, so it imports nothing from this project.
"""

import json
import sys
from pathlib import Path
from typing import Any

import uvicorn  # type: ignore[import-not-found, unused-ignore]  # from the layer
from mcp.server import MCPServer  # type: ignore[import-not-found, unused-ignore]

server = MCPServer("stand-in")


@server.tool()  # type: ignore[untyped-decorator, unused-ignore]
def shout(text: str) -> str:
    """Return the text in capitals."""
    return text.upper() + "!"


def log_methods(app: Any, log: Path) -> Any:
    """Wrap the ASGI application so that each request's method is appended to ``log``."""

    async def logged(scope: Any, receive: Any, send: Any) -> None:
        async def received() -> Any:
            message = await receive()
            if message.get("body"):
                with log.open("a") as lines:
                    lines.write(f"{json.loads(message['body'])['method']}\n")
            return message

        await app(scope, received, send)

    return logged


if __name__ == "__main__":
    port, log = int(sys.argv[1]), Path(sys.argv[2])
    uvicorn.run(log_methods(server.streamable_http_app(), log), host="127.0.0.1", port=port, log_level="error")
