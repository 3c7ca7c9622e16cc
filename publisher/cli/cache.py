"""``layers cache``: show or clean the program's cache."""

from __future__ import annotations

import click

from builder.model.figures import counted, megabytes
from publisher.cli.console import json_option, print_json, print_result


@click.command("cache")
@click.argument("action", type=click.Choice(["size", "clean"]), default="size")
@json_option
def command(action: str, as_json: bool) -> None:
    """Show the cache's folder and size, or delete its entries.

    The cache holds packed wheels and their bytecode. Builds verify each entry by its hash, and give the same bytes
    without the cache. The least recently used entries are deleted when the cache reaches its limit.
    """
    from builder.cache.store import MAX_CACHE_BYTES, Cache, default_folder

    cache = Cache(default_folder())
    before = cache.count()
    removed = cache.clean() if action == "clean" else 0
    size = cache.size()
    if as_json:
        print_json({"folder": str(cache.folder), "size": size, "limit": MAX_CACHE_BYTES, "removed": removed})
        return
    if action == "clean":
        print_result(f"deleted {counted(before - cache.count(), 'file')}, {megabytes(removed)}")
    print_result(f"{cache.folder}: {megabytes(size)} of at most {megabytes(MAX_CACHE_BYTES)}")
