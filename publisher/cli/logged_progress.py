"""Progress as log records, for ``--log-format json``."""

from __future__ import annotations

import logging
import threading


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
