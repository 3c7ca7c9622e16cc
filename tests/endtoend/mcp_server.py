"""A real MCP server over streamable HTTP: ``python mcp_server.py PORT LOG``. Writes each request's method to LOG.

Run by the Python of a layer, with the layer's own mcp package; it imports nothing of ours.
"""

import json
import sys
from pathlib import Path

import uvicorn
from mcp.server import MCPServer

server = MCPServer("stand-in")


@server.tool()
def shout(text: str) -> str:
    """Say it loudly."""
    return text.upper() + "!"


def noting(app, log):
    """The application, with the method of each request written down."""

    async def noted(scope, receive, send):
        async def received():
            message = await receive()
            if message.get("body"):
                with log.open("a") as lines:
                    lines.write(f"{json.loads(message['body'])['method']}\n")
            return message

        await app(scope, received, send)

    return noted


if __name__ == "__main__":
    port, log = int(sys.argv[1]), Path(sys.argv[2])
    uvicorn.run(noting(server.streamable_http_app(), log), host="127.0.0.1", port=port, log_level="error")
