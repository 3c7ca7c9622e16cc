"""The files below ``constructs/``: the templates in this folder, filled with the names and releases. Pure."""

from __future__ import annotations

from typing import Any, Final

from builder.model.escape import escape
from builder.model.regions import partition_of
from publisher.catalog.index import Index, IndexedRelease, dump_rows
from publisher.catalog.snippets.snippet_layer import pascal, snake
from publisher.text.templates import templates

#: Path below ``constructs/`` → template. ``{module}`` is the name of the Python module.
_TEMPLATES: Final = {
    "README.md": "README.md.jinja",
    "typescript/index.ts": "index.ts.jinja",
    "typescript/package.json": "package.json.jinja",
    "typescript/tsconfig.json": "tsconfig.json.jinja",
    "python/pyproject.toml": "pyproject.toml.jinja",
    "python/{module}/__init__.py": "init.py.jinja",
    "python/{module}/py.typed": "py.typed.jinja",
    "terraform/main.tf": "main.tf.jinja",
}
#: Where Python and Terraform read the releases. TypeScript has them in its source, which needs no compiler option.
_DATA: Final = ("python/{module}/layers.json", "terraform/layers.json")


def construct_files(index: Index) -> dict[str, str]:
    """Return the text of each file by its path: the CDK constructs and the Terraform module."""
    data = _layer_data(index)
    json = dump_rows(data)
    names = {
        "package": index.package,
        "construct": f"{pascal(index.package)}Layer",
        "module": f"{snake(index.package)}_layers",
        "project": f"{snake(index.package).replace('_', '-')}-layers",
        "data": data,
        "json": json,
    }
    environment = templates(__package__, trim=False)  # text from others is in them as JSON only
    rendered = {path: environment.get_template(name).render(names) for path, name in _TEMPLATES.items()}
    rendered |= dict.fromkeys(_DATA, json)
    return {f"constructs/{path.format(module=names['module'])}": text for path, text in sorted(rendered.items())}


def _layer_data(index: Index) -> dict[str, Any]:
    """Return the data of the constructs. They derive an ARN from its region, layer name and number."""
    complete = [release for release in index.releases if release.complete]
    layers = {
        layer.target_key.id: layer.layer_name for release in reversed(complete) for layer in release.layers
    }
    used_regions = {layer.region for release in complete for layer in release.layers}
    regions = [region for region in index.all_regions if region in used_regions]
    return {
        "package": index.package,
        "account": index.account,
        "layers": dict(sorted(layers.items())),
        "regions": {region: partition_of(region) for region in regions},
        "releases": [_release(release, regions, list(layers)) for release in complete],
    }


def _release(release: IndexedRelease, regions: list[str], targets: list[str]) -> dict[str, Any]:
    published = {f"{layer.region}/{layer.target_key.id}" for layer in release.layers}
    return {
        "version": release.version,
        "layer_version": release.layer_version,
        "yanked": escape(release.yanked.reason) if release.yanked else None,  # an error of the construct shows it
        "missing": [cell for region in regions for target in targets if (cell := f"{region}/{target}") not in published],
    }
