"""An agent with the tools of an MCP server, connected for each invocation. Start with this one.

Conversations share no state, and a connection that was lost while the function was frozen does not matter. Each
invocation needs a handshake.
"""

import os

from invocation import MODEL, handles
from mcp_tools import all_tools, client_of
from strands import Agent


@handles
def handler(prompt: str) -> str:
    with client_of(os.environ["MCP_URL"]) as server:
        agent = Agent(model=MODEL, tools=all_tools(server), callback_handler=None)
        return str(agent(prompt))
