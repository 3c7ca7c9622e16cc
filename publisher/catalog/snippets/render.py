"""Fill the template of a tool with the layers of a release. Pure: rows in, text out.

Rows of one region give a text with plain ARNs. Rows of several regions give a text that maps each region to its ARN.
"""

from __future__ import annotations

from collections.abc import Sequence

from publisher.catalog.index import Row
from publisher.catalog.snippets.snippet_layer import layers_of_rows, pascal, snake
from publisher.text.templates import templates


def snippet(form: str, rows: Sequence[Row]) -> str:
    """Return the text for one of ``FORMATS``. ``rows``: at least one, all of one release."""
    layers = layers_of_rows(rows)
    regions = list(dict.fromkeys(region for layer in layers for region in layer.arns))
    package = rows[0].package
    return templates(__package__).get_template(f"{form}.jinja").render(
        layers=layers,
        # A template has one function. It uses the layer that most regions have, and of several the newest Python.
        example=max(layers, key=lambda layer: (len(layer.arns), layer.row.target_key.order[0])),
        regions=regions,
        # A stack has one region by default. It is the first one that has the most layers.
        home_region=max(regions, key=lambda region: sum(region in layer.arns for layer in layers)),
        one_region=len(regions) == 1,
        release=f"{package} {rows[0].version} (layer version {rows[0].layer_version})",
        package=package,
        pascal=pascal(package),
        snake=snake(package),
    )  # fmt: skip
