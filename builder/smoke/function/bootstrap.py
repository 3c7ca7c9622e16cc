"""Start Lambda's runtime client as Lambda does: the function's folder, the layers and the runtime on ``sys.path``.

This script has one argument: JSON with the paths and the handler. With ``statement`` instead of a handler, it runs that
statement and ends. Connections to other machines, and writes where Lambda's file system is read-only, are refused.
"""

import errno
import faulthandler
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

_WRITE_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
#: Python's audit events of writes, with the positions of the written paths among their arguments.
_WRITES = {
    "os.chmod": (0,), "os.link": (1,), "os.mkdir": (0,), "os.remove": (0,), "os.rename": (0, 1), "os.rmdir": (0,),
    "os.symlink": (1,), "os.truncate": (0,), "os.utime": (0,),
}  # fmt: skip


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


def refuse_writes(read_only: str, writable: str) -> Callable[[str, tuple[Any, ...]], None]:
    """Return an audit hook that refuses writes as the read-only file system of Lambda does, also for root."""

    def check(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            paths = arguments[:1] if arguments[2] & _WRITE_FLAGS else ()
        else:
            paths = tuple(arguments[number] for number in _WRITES.get(event, ()))
        for path in paths:
            if not isinstance(path, (str, bytes, os.PathLike)):
                continue  # an open file
            place = os.path.abspath(os.fsdecode(path))  # noqa: PTH100 - without pathlib's import
            if not f"{place}/".startswith(read_only) or f"{place}/".startswith(writable):
                continue
            if event == "os.mkdir" and os.path.lexists(place):
                continue  # FileExistsError, which callers handle
            if event in ("os.remove", "os.rmdir") and not os.path.lexists(place):
                continue  # FileNotFoundError
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), place)

    return check


def end_with_parent() -> None:
    """Kill the process group when the parent ends, because standard input is then closed."""
    while os.read(0, 1024):
        pass
    os.killpg(os.getpgrp(), signal.SIGKILL)


def main() -> None:
    settings = json.loads(sys.argv[1])
    faulthandler.enable()
    threading.Thread(target=end_with_parent, daemon=True).start()
    sys.addaudithook(refuse_network(settings["command"]))
    if "read_only" in settings:
        sys.addaudithook(refuse_writes(settings["read_only"], settings["writable"]))
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
