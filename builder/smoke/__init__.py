"""Smoke test a zip: Lambda's own runtime client, the matching Python, a real agent turn, all on this machine."""

from __future__ import annotations

from builder.smoke.measurement import smoke_repeatedly, smoke_result
from builder.smoke.smoke_test import App, SmokeReport, smoke, smoke_app

__all__ = ["App", "SmokeReport", "smoke", "smoke_app", "smoke_repeatedly", "smoke_result"]
