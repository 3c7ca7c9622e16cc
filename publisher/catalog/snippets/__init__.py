"""Snippets for the tools that people deploy with: a template for each, which lies beside this module."""

from publisher.catalog.snippets.render import FORMATS, snippet

__all__ = ["FORMATS", "snippet"]
