"""``--log-format json``: what happens as one JSON object a line on stderr, to be kept and searched."""

from __future__ import annotations

import json
import logging
import sys
import threading
from datetime import datetime, timezone

from builder.model.progress import Progress


def write_json_lines() -> None:
    """From now on every log record of ours is a JSON line on stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json())
    logger = logging.getLogger("layers")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds")
        fields = getattr(record, "fields", {})
        entry = {"time": moment, "level": record.levelname.lower(), "event": record.name.removeprefix("layers.")}
        return json.dumps({**entry, "message": record.getMessage(), **fields}, ensure_ascii=False)


class LoggedProgress:
    """Progress as log records."""

    def __init__(self) -> None:
        self._log = logging.getLogger("layers.progress")
        self._lock = threading.Lock()
        self._stage, self._done, self._total = "", 0, 0

    def begin(self, title: str, total: int) -> None:
        with self._lock:
            self._stage, self._done, self._total = title, 0, total
        self._log.info(title, extra={"fields": {"stage": title, "total": total}})

    def step(self, label: str, note: str = "") -> None:
        with self._lock:
            self._done += 1
            fields = {"stage": self._stage, "done": self._done, "total": self._total, "label": label, "note": note}
        self._log.info("%s %s", label, note, extra={"fields": fields})

    def note(self, text: str) -> None:
        self._log.info(text, extra={"fields": {"stage": self._stage}})


def logged_progress() -> Progress:
    """Progress for ``--log-format json``."""
    return LoggedProgress()
