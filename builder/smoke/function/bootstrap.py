"""Starts Lambda's runtime client as Lambda starts it: the function's folder, the layer, the runtime, in this order.

Run as a script with one argument: JSON of the paths and the handler. Nothing that it starts may leave this machine.
"""

import json
import socket
import sys
from typing import Any

_LOCAL = ("127.0.0.1", "::1", "localhost")


def guard(event: str, arguments: tuple[Any, ...]) -> None:
    """Refuse every connection to elsewhere, and say that it was tried."""
    if event == "socket.connect":
        address = arguments[1]
        if isinstance(address, tuple) and address[0] not in _LOCAL:
            sys.stderr.write(f"smoke: refused a connection to {address[0]}:{address[1]}\n")
            raise OSError("no network in a smoke test")
    elif event == "socket.getaddrinfo" and arguments[0] not in (None, "", b"", *_LOCAL):
        sys.stderr.write(f"smoke: refused to look up {arguments[0]}\n")
        raise socket.gaierror(socket.EAI_AGAIN, "no network in a smoke test")


def main() -> None:
    settings = json.loads(sys.argv[1])
    sys.addaudithook(guard)
    sys.path[:0] = settings["before"]
    sys.path += settings["after"]
    from awslambdaric.__main__ import main as run  # type: ignore[import-not-found]

    run(["bootstrap", settings["handler"]])


if __name__ == "__main__":
    main()
