"""Connect to an MCP server and list its tools."""

from strands.tools.mcp import MCPClient
from strands.types.tools import AgentTool

try:
    from mcp.client.streamable_http import streamable_http_client
except ImportError:  # its name before mcp 1.24
    from mcp.client.streamable_http import streamablehttp_client as streamable_http_client


def client_of(url: str) -> MCPClient:
    """Return a client of the server, not yet connected. Works with both major versions of mcp."""
    return MCPClient(lambda: streamable_http_client(url), startup_timeout=10)


def all_tools(server: MCPClient) -> list[AgentTool]:
    """Return every tool of the server, from all pages of its list."""
    tools: list[AgentTool] = []
    page = server.list_tools_sync()
    while True:
        tools += page
        if page.pagination_token is None:
            return tools
        page = server.list_tools_sync(pagination_token=page.pagination_token)
