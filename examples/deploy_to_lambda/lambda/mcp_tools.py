"""Connecting to an MCP server, and what it offers."""

from strands.tools.mcp import MCPClient
from strands.types.tools import AgentTool

try:
    from mcp.client.streamable_http import streamable_http_client
except ImportError:  # its name in layers of before mcp 1.24
    from mcp.client.streamable_http import streamablehttp_client as streamable_http_client


def client_of(url: str) -> MCPClient:
    """A client of the server, not yet connected. Runs with both major versions of mcp, as layers have them."""
    return MCPClient(lambda: streamable_http_client(url), startup_timeout=10)


def all_tools(server: MCPClient) -> list[AgentTool]:
    """Every tool of the server: of all pages of its list."""
    tools: list[AgentTool] = []
    page = server.list_tools_sync()
    while True:
        tools += page
        if page.pagination_token is None:
            return tools
        page = server.list_tools_sync(pagination_token=page.pagination_token)
