"""``layers cache``: the program's own cache."""

from __future__ import annotations

import click

from publisher.cli.console import json_option, megabytes, print_json, print_result


@click.command("cache")
@click.argument("action", type=click.Choice(["size", "clean"]), default="size")
@json_option
def command(action: str, as_json: bool) -> None:
    """Show the cache's place and size, or clean it.

    It holds finished zips, each believed only by its hash; without it everything is built again to the same bytes. It
    bounds itself: what was used longest ago goes first.
    """
    from builder.cache.zip_cache import LIMIT, Cache, default_folder

    cache = Cache(default_folder())
    removed = cache.clean() if action == "clean" else 0
    size = cache.size()
    if as_json:
        print_json({"folder": str(cache.folder), "size": size, "limit": LIMIT, "removed": removed})
        return
    if action == "clean":
        print_result(f"removed {megabytes(removed)}")
    print_result(f"{cache.folder}: {megabytes(size)} of at most {megabytes(LIMIT)}")
