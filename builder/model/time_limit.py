"""A limit for the time that a request takes in all."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import TypeVar

_T = TypeVar("_T")


def run_within(seconds: float, request: Callable[[], _T]) -> _T:
    """Return the result of a request, or raise its error. Raises TimeoutError if it takes longer than ``seconds``.

    The timeout of a socket starts again with each byte. So the request runs in a daemon thread, which is left behind
    if it takes too long; it ends when its socket does.
    """
    future: Future[_T] = Future()

    def run() -> None:
        try:
            future.set_result(request())
        except Exception as error:  # noqa: BLE001 - the caller raises it
            future.set_exception(error)

    threading.Thread(target=run, daemon=True, name="request").start()
    try:
        return future.result(seconds)
    except FutureTimeoutError:
        if future.done():  # from Python 3.11 on, it is the class of the request's own TimeoutError
            raise
        raise TimeoutError(f"the request took longer than {seconds} s") from None
