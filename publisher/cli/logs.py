"""``--log-format json``: each event as one JSON object a line on stderr, for log storage and search."""

from __future__ import annotations

import logging
import threading
from datetime import datetime, timezone

from publisher.cli.console import print_json_line, print_message


def write_json_lines() -> None:
    """Print every log record of the program as a JSON line on stderr from now on."""
    logger = logging.getLogger("layers")
    logger.handlers = [_JsonLines()]
    logger.setLevel(logging.INFO)
    logger.propagate = False


class LibraryMessages(logging.Handler):
    """Prints log records of libraries as escaped messages; Python's default handler would not escape them."""

    def emit(self, record: logging.LogRecord) -> None:
        print_message(f"{record.name}: {record.getMessage()}")


def log_event(level: str, event: str, message: str, fields: dict[str, object]) -> None:
    """Print one event as a JSON line on stderr."""
    moment = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
    print_json_line({"time": moment, "level": level, "event": event, "message": message, **fields})


class _JsonLines(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        event = record.name.removeprefix("layers.")
        log_event(record.levelname.lower(), event, record.getMessage(), getattr(record, "fields", {}))


class LoggedProgress:
    """Progress as log records."""

    def __init__(self) -> None:
        self._log = logging.getLogger("layers.progress")
        self._lock = threading.Lock()
        self._stage, self._done, self._total = "", 0, 0

    def begin(self, title: str, total: int) -> None:
        with self._lock:
            self._stage, self._done, self._total = title, 0, total
        self._log.info("%s", title, extra={"fields": {"stage": title, "total": total}})

    def step(self, label: str, note: str = "") -> None:
        with self._lock:
            self._done += 1
            fields = {"stage": self._stage, "done": self._done, "total": self._total, "label": label, "note": note}
        self._log.info("%s %s", label, note, extra={"fields": fields})

    def note(self, text: str) -> None:
        self._log.info("%s", text, extra={"fields": {"stage": self._stage}})
