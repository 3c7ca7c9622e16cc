"""What an MCP server offers."""

from strands.tools.mcp import MCPClient
from strands.types.tools import AgentTool


def all_tools(server: MCPClient) -> list[AgentTool]:
    """Every tool of the server: of all pages of its list."""
    tools: list[AgentTool] = []
    page = server.list_tools_sync()
    while True:
        tools += page
        if page.pagination_token is None:
            return tools
        page = server.list_tools_sync(pagination_token=page.pagination_token)
