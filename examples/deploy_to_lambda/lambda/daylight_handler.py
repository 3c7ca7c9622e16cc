"""A weather agent that also knows sunrise and sunset. It needs a custom layer: astral is not in the official one."""

import datetime

from astral import LocationInfo
from astral.sun import sun
from invocation import MODEL, handles
from strands import Agent, tool
from weather import forecast

PROMPT = """You tell people the weather and the hours of daylight in the United States.
Find the place's coordinates yourself, use the tools, and answer in two or three plain sentences. Times are in UTC.
Never make an answer up: if a tool fails, say so."""


@tool
def daylight(latitude: float, longitude: float, day: str) -> str:
    """Get the times of sunrise and sunset, in UTC.

    Args:
        latitude: Degrees north, for example 47.61.
        longitude: Degrees east, negative in the United States, for example -122.33.
        day: The date, as 2026-12-24.
    """
    place = LocationInfo(latitude=latitude, longitude=longitude)
    times = sun(place.observer, date=datetime.date.fromisoformat(day))
    return f"sunrise {times['sunrise']:%H:%M} UTC, sunset {times['sunset']:%H:%M} UTC"


@handles
def handler(prompt: str) -> str:
    agent = Agent(model=MODEL, system_prompt=PROMPT, tools=[forecast, daylight], callback_handler=None)
    return str(agent(prompt))
