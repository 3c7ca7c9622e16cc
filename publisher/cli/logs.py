"""``--log-format json``: each event as one JSON object a line on stderr, for log storage and search."""

from __future__ import annotations

import logging
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
