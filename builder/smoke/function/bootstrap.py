"""Start Lambda's runtime client as Lambda does: the function's folder, the layers and the runtime on ``sys.path``.

This script has one argument: JSON with the paths and the handler. With ``statement`` instead of a handler, it runs that
statement and ends. Connections to other machines are refused.
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
#: Written to stderr before the statement, to separate its ``-X importtime`` lines from those of the start.
_MARKER = "layers: the statement starts here\n"


def refuse_network(command: str) -> Callable[[str, tuple[Any, ...]], None]:
    """Return an audit hook that refuses connections to and lookups of other machines, and logs them to stderr."""

    def check(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "socket.connect":
            address = arguments[1]
            if isinstance(address, tuple) and address[0] not in _LOCAL:
                sys.stderr.write(f"{command}: refused a connection to {address[0]}:{address[1]}\n")
                raise OSError(_NO_NETWORK)
        elif event == "socket.getaddrinfo" and arguments[0] not in (None, "", b"", *_LOCAL):
            sys.stderr.write(f"{command}: refused to look up {arguments[0]}\n")
            raise socket.gaierror(socket.EAI_AGAIN, _NO_NETWORK)

    return check


def end_with_parent() -> None:
    """Kill the process group when the parent ends, because standard input is then closed."""
    while os.read(0, 1024):
        pass
    os.killpg(os.getpgrp(), signal.SIGKILL)


def main() -> None:
    settings = json.loads(sys.argv[1])
    threading.Thread(target=end_with_parent, daemon=True).start()
    sys.addaudithook(refuse_network(settings["command"]))
    sys.path[:0] = settings["before"]
    sys.path += settings["after"]
    if statement := settings.get("statement"):
        sys.stderr.write(_MARKER)
        exec(statement, {})  # noqa: S102 - the statement is ours, see import_profile
        return
    from awslambdaric.__main__ import main as run  # type: ignore[import-not-found]

    run(["bootstrap", settings["handler"]])


if __name__ == "__main__":
    main()
