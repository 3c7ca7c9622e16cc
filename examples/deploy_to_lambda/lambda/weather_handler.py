"""A weather agent. It runs on the official layer alone."""

from invocation import MODEL, handles
from strands import Agent
from weather import forecast

PROMPT = """You tell people the weather in the United States.
Find the place's coordinates yourself, get its forecast with the tool, and answer in two or three plain sentences:
temperature, rain or snow, wind, and a warning where there is one.
Never make a forecast up: if the tool fails, say so."""


@handles
def handler(prompt: str) -> str:
    # A new agent each time: an agent remembers its conversation, and the next caller is somebody else.
    agent = Agent(model=MODEL, system_prompt=PROMPT, tools=[forecast], callback_handler=None)
    return str(agent(prompt))
