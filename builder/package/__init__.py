"""Package a user's own agent: ``app.zip`` with its files, ``dependencies.zip`` with its dependencies."""

from __future__ import annotations

from builder.package.budget import parse_budget
from builder.package.dependencies import Layer
from builder.package.packaging import Package, Zipped, package

__all__ = ["Layer", "Package", "Zipped", "package", "parse_budget"]
