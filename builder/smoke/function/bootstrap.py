"""Starts Lambda's runtime client as Lambda starts it: the function's folder, the layer, the runtime, in this order.

Run as a script with one argument: JSON of the paths and the handler. Nothing that it starts may leave this machine.
"""

import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from typing import Any

_LOCAL = ("127.0.0.1", "::1", "localhost")
_NO_NETWORK = "a function that runs here has no network"


def guard(who: str) -> Callable[[str, tuple[Any, ...]], None]:
    """Refuse every connection to elsewhere, and say that it was tried."""

    def check(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "socket.connect":
            address = arguments[1]
            if isinstance(address, tuple) and address[0] not in _LOCAL:
                sys.stderr.write(f"{who}: refused a connection to {address[0]}:{address[1]}\n")
                raise OSError(_NO_NETWORK)
        elif event == "socket.getaddrinfo" and arguments[0] not in (None, "", b"", *_LOCAL):
            sys.stderr.write(f"{who}: refused to look up {arguments[0]}\n")
            raise socket.gaierror(socket.EAI_AGAIN, _NO_NETWORK)

    return check


def end_with_parent() -> None:
    """Whoever started this holds the other end of standard input; when it goes, however it goes, so does all this."""
    while os.read(0, 1024):
        pass
    os.killpg(os.getpgrp(), signal.SIGKILL)


def main() -> None:
    settings = json.loads(sys.argv[1])
    threading.Thread(target=end_with_parent, daemon=True).start()
    sys.addaudithook(guard(settings["who"]))
    sys.path[:0] = settings["before"]
    sys.path += settings["after"]
    from awslambdaric.__main__ import main as run  # type: ignore[import-not-found]

    run(["bootstrap", settings["handler"]])


if __name__ == "__main__":
    main()
