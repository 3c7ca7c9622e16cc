"""The weather service as a tool of an agent. It needs only the standard library."""

import json
import os
import urllib.error
import urllib.request
from typing import Any

from strands import tool

#: The address of the service, or of another one with the same API.
SERVICE = os.environ.get("WEATHER_URL", "https://api.weather.gov").rstrip("/")
_HEADERS = {"Accept": "application/geo+json", "User-Agent": "strands-agent-on-lambda"}
_TIMEOUT_SECONDS = 10


@tool
def forecast(latitude: float, longitude: float) -> str:
    """Get the weather forecast for a place in the United States.

    Args:
        latitude: Degrees north, for example 47.61.
        longitude: Degrees east, negative in the United States, for example -122.33.
    """
    if not (-90 <= latitude <= 90 and -180 <= longitude <= 180):
        raise ValueError(f"{latitude}, {longitude} is no place on Earth")
    cell = _get(f"/points/{latitude:.4f},{longitude:.4f}")["properties"]
    # Build the URL ourselves instead of following a URL in the response, which could lead to any host.
    found = _get(f"/gridpoints/{cell['gridId']}/{cell['gridX']},{cell['gridY']}/forecast")
    return "\n".join(
        f"{period['name']}: {period['temperature']} °{period['temperatureUnit']}, {period['detailedForecast']}"
        for period in found["properties"]["periods"]
    )


def _get(path: str) -> Any:
    request = urllib.request.Request(SERVICE + path, headers=_HEADERS)  # noqa: S310 - the address is the deployer's
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as response:  # noqa: S310
            return json.load(response)
    except urllib.error.HTTPError as error:
        raise RuntimeError(f"the weather service responds to {path} with {error.code} {error.reason}") from None
    except OSError as error:
        raise RuntimeError(f"the weather service cannot be reached: {error}") from None
