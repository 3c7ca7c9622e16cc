"""An agent with the tools of an MCP server, connected once and kept while the function is warm.

WARNING: one connection then serves all callers, one after another. State that the server keeps for a connection (a
session, a login, a working folder, messages) can leak from one user or tenant to the next. Keep a connection only for
a stateless server, or for a function with a single tenant. Otherwise use mcp_handler.py.

A connection may be lost while the function is frozen, or when the server restarts. So each invocation lists the tools
first, which it needs anyway, and reconnects once if that fails.
"""

import contextlib
import logging
import os

from invocation import MODEL, handles
from mcp_tools import all_tools, client_of
from strands import Agent
from strands.tools.mcp import MCPClient
from strands.types.tools import AgentTool

log = logging.getLogger(__name__)


class Connection:
    """A connection that is opened when it is first needed, and reopened when it is lost."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._server: MCPClient | None = None

    def tools(self) -> list[AgentTool]:
        """Return the server's tools, over a connection that works."""
        if self._server is not None:
            try:
                return all_tools(self._server)
            except Exception as error:  # noqa: BLE001 - a new connection works, or raises its own error
                log.warning("connecting to the MCP server again: %s", error)
                self._drop()
        self._server = client_of(self._url).start()
        return all_tools(self._server)

    def _drop(self) -> None:
        dead, self._server = self._server, None
        if dead is not None:
            with contextlib.suppress(Exception):  # closing a lost connection may fail; the error does not matter
                dead.stop(None, None, None)


connection = Connection(os.environ["MCP_URL"])


@handles
def handler(prompt: str) -> str:
    # The agent is still new for each invocation, because it remembers its conversation.
    agent = Agent(model=MODEL, tools=connection.tools(), callback_handler=None)
    return str(agent(prompt))
