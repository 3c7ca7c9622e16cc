"""Find the published layer that an app is packaged on top of, and the packages in it. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from builder.model.errors import InputError
from builder.model.runtimes import Architecture
from builder.model.target import TargetKey
from builder.package.dependencies import Layer
from publisher.catalog.arn import find
from publisher.catalog.index import Index, Row
from publisher.catalog.lookup import Query, select


@dataclass(frozen=True)
class BaseLayer:
    """The layer that an app is packaged on top of, its target, and notes for the user."""

    layer: Layer
    python: str
    architecture: Architecture
    notes: tuple[str, ...] = ()


def find_base_layer(
    index: Index, text: str, python: str | None, architecture: Architecture | None, default: TargetKey
) -> BaseLayer:
    """Return the layer that ``text`` names: an ARN, a version of the package, or ``latest``.

    An ARN determines the Python and the architecture; ``python`` and ``architecture``, if given, must match it.
    For a version, they default to those of ``default``, and the ARN may be of any region: a layer has the same
    contents in every region. Raises InputError if there is no such layer or the ledger does not list its packages.
    """
    notes: tuple[str, ...]
    if ":" in text:
        row = find(index, text)
        _agree(row, python, architecture)
        notes = (str(row.yanked),) if row.yanked else ()
    else:
        version = None if text == "latest" else text
        pythons, architectures = (python or default.python,), (str(architecture or default.architecture),)
        selection = select(index, Query(pythons=pythons, architectures=architectures, version=version))
        row = selection.rows[0]
        notes = selection.notes
    release = next(each for each in index.releases if each.layer_version == row.layer_version)
    target = next((each for each in release.targets if each.target_key == row.target_key), None)
    if target is None or target.packages is None:
        raise InputError(
            "the packages of this layer are not recorded",
            where=row.arn,
            fix="use a layer that this program published, or leave --on-layer out",
        )
    title = f"{row.package} {row.version}, layer version {row.layer_version}"
    layer = Layer(row.arn, title, target.packages, row.unzipped_size)
    return BaseLayer(layer, row.python, row.architecture, notes)


def _agree(row: Row, python: str | None, architecture: Architecture | None) -> None:
    for option_value, has, option in ((python, row.python, "--python"), (architecture, row.architecture, "--arch")):
        if option_value not in (None, has):
            raise InputError(
                f"this layer is for Python {row.python} on {row.architecture}, and {option} is {option_value}",
                where=row.arn,
                fix=f"leave {option} out, or name the layer that is for {option_value}",
            )
