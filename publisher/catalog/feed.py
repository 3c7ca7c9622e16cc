"""The Atom feed (RFC 4287): one entry per release, newest first. All times come from the ledger, not the clock."""

from __future__ import annotations

from datetime import datetime, timezone
from uuid import NAMESPACE_OID, uuid5
from xml.sax.saxutils import escape

from builder.model.clock import iso
from builder.model.figures import counted
from publisher.catalog.index import Index, IndexedRelease

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def feed(index: Index) -> str:
    """Return the content of ``feed.xml``."""
    shown = [release for release in index.releases if release.published]
    updated = max((_update_time(release) for release in shown), default=_EPOCH)
    lines = [
        '<?xml version="1.0" encoding="utf-8"?>',
        '<feed xmlns="http://www.w3.org/2005/Atom">',
        f"  <id>{_id(index)}</id>",
        f"  <title>Lambda layers of {escape(index.package)}</title>",
        f"  <updated>{iso(updated)}</updated>",
        f"  <author><name>{escape(index.package)}</name></author>",
        *(line for release in shown for line in _entry(index, release)),
        "</feed>",
    ]
    return "\n".join(lines) + "\n"


def _entry(index: Index, release: IndexedRelease) -> list[str]:
    title = f"{index.package} {release.version} is layer version {release.layer_version}"
    regions = len({layer.region for layer in release.layers})
    text = f"{counted(len(release.layers), 'layer')} in {counted(regions, 'region')}"
    if not release.complete:
        text += f"; {len(release.missing)} not published yet"
    if release.rebuild and release.rebuild != "rebuilt":
        text += f". Rebuilt: {release.rebuild}"
    if release.yanked:
        title += " (yanked)"
        text += f". Yanked: {release.yanked.reason}"
    return [
        "  <entry>",
        f"    <id>{_id(index, release.layer_version)}</id>",
        f"    <title>{_xml(title)}</title>",
        f"    <updated>{iso(_update_time(release))}</updated>",
        f"    <published>{iso(release.published or _EPOCH)}</published>",
        f"    <content>{_xml(text)}.</content>",
        "  </entry>",
    ]


def _update_time(release: IndexedRelease) -> datetime:
    newest = max((layer.published for layer in release.layers), default=_EPOCH)
    return max(newest, release.yanked.date) if release.yanked else newest


def _id(index: Index, number: int | None = None) -> str:
    name = "/".join([index.account, index.layer_name, index.package, *([str(number)] if number else [])])
    return uuid5(NAMESPACE_OID, name).urn


def _xml(text: str) -> str:
    """Escape the text and replace control characters, which XML does not allow, by spaces."""
    return escape("".join(letter if letter.isprintable() else " " for letter in text))
