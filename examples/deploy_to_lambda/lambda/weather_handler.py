"""A weather agent. It needs only the official layer."""

from invocation import MODEL, handles
from strands import Agent
from weather import forecast

PROMPT = """You tell people the weather in the United States.
Find the place's coordinates yourself, get its forecast with the tool, and answer in two or three plain sentences:
temperature, rain or snow, wind, and a warning where there is one.
Never make a forecast up: if the tool fails, say so."""


@handles
def handler(prompt: str) -> str:
    # A new agent for each invocation: an agent remembers its conversation, and the next caller may be another user.
    agent = Agent(model=MODEL, system_prompt=PROMPT, tools=[forecast], callback_handler=None)
    return str(agent(prompt))
