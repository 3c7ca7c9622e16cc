"""Every file that is made from the index, by its path under the output folder. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from publisher.catalog.feed import feed
from publisher.catalog.index import SCHEMA_VERSION, Index, Row, dump_rows, split_cell
from publisher.catalog.page.page import index_html
from publisher.catalog.table import page
from publisher.followers.constructs.construct_files import construct_files
from publisher.followers.renovate import renovate_files


def catalog_files(index: Index) -> dict[str, str]:
    """Return each file's text by its path: the table, the index, newest release, regions, the feed, the page."""
    rows: dict[str, list[Row]] = {region: [] for region in index.all_regions}
    for release in index.releases:
        for row in index.rows(release):
            rows[row.region].append(row)
    return {
        "layers.md": page(index),
        "layers.json": dump_rows(index.model_dump(mode="json")),
        "latest.json": _latest(index),
        **{f"regions/{region}.json": _region(index, region, region_rows) for region, region_rows in rows.items()},
        "feed.xml": feed(index),
        "index.html": index_html(index),
        **renovate_files(index),
        **construct_files(index),
    }


def _latest(index: Index) -> str:
    release = index.latest
    return dump_rows(
        {
            "schema_version": SCHEMA_VERSION,
            "package": index.package,
            "version": release.version if release else None,
            "layer_version": release.layer_version if release else None,
            "complete": release.complete if release else None,
            "layers": [row.model_dump(mode="json") for row in index.rows(release)] if release else [],
        }
    )


def _region(index: Index, region: str, rows: Sequence[Row]) -> str:
    """Return the index of one region: ``layers.json`` with rows in place of each release's targets and layers."""
    return dump_rows(
        {
            **index.model_dump(mode="json", exclude={"releases"}),
            "region": region,
            "releases": [
                {
                    **release.model_dump(mode="json", exclude={"targets", "layers", "missing"}),
                    "missing": [cell for cell in release.missing if split_cell(cell)[0] == region],
                }
                for release in index.releases
            ],
            "layers": [row.model_dump(mode="json") for row in rows],
        }
    )
