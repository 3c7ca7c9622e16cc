"""The smoke of a zip: Lambda's own runtime client, the matching Python, a real agent turn, all on this machine."""

from __future__ import annotations

from builder.smoke.measurement import smoke_often, smoked
from builder.smoke.smoke_test import Smoke, smoke

__all__ = ["Smoke", "smoke", "smoke_often", "smoked"]
