"""Log requests to AWS, and count them for the summary of a run."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from dataclasses import asdict, dataclass

from builder.model.figures import counted

LOG = logging.getLogger("layers.aws")


@dataclass(frozen=True)
class LoggedRequest:
    """One request to Lambda. ``seconds`` is the time until the response, without the wait for the rate limit."""

    region: str
    operation: str
    layer_name: str | None
    seconds: float
    request_id: str | None
    error: str | None
    throttled: bool


class RequestLog:
    """Counts the requests of a run. Every method is thread-safe; memory does not grow with the run."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.operations: Counter[str] = Counter()
        self.throttled: Counter[str] = Counter()  #: by region
        self.failed: Counter[str] = Counter()  #: by region, without throttled ones
        self.slowest: LoggedRequest | None = None

    def record(self, request: LoggedRequest) -> None:
        """Count and log a request."""
        with self._lock:
            self.operations[request.operation] += 1
            if request.throttled:
                self.throttled[request.region] += 1
            elif request.error:
                self.failed[request.region] += 1
            self.slowest = max(self.slowest or request, request, key=lambda each: each.seconds)
        LOG.info("%s in %s", request.operation, request.region, extra={"fields": asdict(request)})

    @property
    def total(self) -> int:
        """The number of requests."""
        return sum(self.operations.values())

    def line(self) -> str:
        """Return one line with the number of requests and the slow, throttled and failed ones."""
        parts = [f"{counted(self.total, 'request')} to Lambda"]
        parts += [f"{region} throttled {count}" for region, count in self.throttled.most_common(3)]
        parts += [f"{region} failed {count}" for region, count in self.failed.most_common(3)]
        if slow := self.slowest:
            parts.append(f"slowest {slow.operation} in {slow.region}, {slow.seconds:.1f} s, request {slow.request_id}")
        return "; ".join(parts)
