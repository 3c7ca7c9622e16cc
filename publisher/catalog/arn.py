"""Find a layer version by its ARN, or explain what is wrong with an ARN that is not recorded. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches

from builder.model.errors import InputError
from builder.model.escape import shorten
from publisher.catalog.index import Index, Row
from publisher.catalog.lookup import Query, select

#: The limit for an ARN of a layer version; a longer text is not compared with the recorded ones.
MAX_ARN_CHARACTERS = 256
#: The form of an ARN of a layer, with any text in its fields.
_ARN = re.compile(
    r"arn:(?P<partition>[^:]*):lambda:(?P<region>[^:]*):(?P<account>[^:]*):layer:(?P<name>[^:]+)(?::(?P<number>[^:]*))?"
)


def find(index: Index, arn: str) -> Row:
    """Return the recorded layer version of an ARN. InputError names the fault and the closest ARN."""
    rows = {row.arn: row for release in index.releases for row in index.rows(release)}
    arn = arn.strip()
    if arn in rows:
        return rows[arn]
    problem, instead = _explain(index, rows, arn)
    closest, certain = _closest(rows, arn)
    hints = [None if certain else instead, f"did you mean {closest}?" if closest else None]
    raise InputError(problem, fix="; ".join(filter(None, hints)) or "see `layers describe --region all`")


def _explain(index: Index, rows: Mapping[str, Row], arn: str) -> tuple[str, str | None]:
    """Return the first error in an ARN that is not recorded, and which values exist instead."""
    match = _ARN.fullmatch(arn)
    if match is None:
        problem = f"{shorten(arn, MAX_ARN_CHARACTERS)!r} is not an ARN of a layer version"
        return problem, f"an ARN looks like this: {_example(rows, arn) or index.arn}"
    name, number = match["name"], match["number"]
    if number is None:
        return f"{arn} is the ARN of a layer, without a version number", None
    if match["account"] != index.account:
        return f"account {match['account']} is not the publisher of {index.package}", f"that is {index.account}"
    if not index.releases:
        return f"no release of {index.package} is recorded yet", "record existing layers with `layers sync`"
    layers = {row.layer_name: row for row in rows.values()}
    if name not in layers:
        return f"there is no layer {shorten(name, 140)}", f"there are {', '.join(layers)}" if layers else None
    if not re.fullmatch(r"[1-9][0-9]{0,17}", number):
        return f"{shorten(number, 40)!r} is not a layer version number", None
    target = (layers[name].python,), (layers[name].architecture.value,)
    try:
        select(index, Query((match["region"],), *target, layer_version=int(number)))
    except InputError as error:
        return error.what, error.fix if error.fix and not error.fix.startswith("did you mean") else None
    return f"{arn} is not recorded", None


def _closest(rows: Mapping[str, Row], arn: str) -> tuple[str | None, bool]:
    """Return the recorded ARN that is closest, and whether it is the only possible one."""
    folded = {arn_known.lower(): arn_known for arn_known in rows}
    corrected = _correct(arn.lower())
    if corrected in folded:
        return folded[corrected], True
    layer = ":".join(corrected.split(":")[:7])
    newest = [arn_known for arn_known in folded if arn_known.startswith(f"{layer}:")]
    near = newest or (
        get_close_matches(corrected, folded, n=1, cutoff=0.8) if len(corrected) <= MAX_ARN_CHARACTERS else []
    )
    return (folded[near[0]], False) if near else (None, False)


def _correct(arn: str) -> str:
    """Return the ARN with common mistakes corrected: ``arm64`` for aarch64, a Python without its underscore."""
    arn = re.sub(r"(?<=[-_])(?:arm64|arm)(?=:|$)", "aarch64", arn)
    arn = re.sub(r"(?<=[-_])(?:amd64|x64|x86-64)(?=:|$)", "x86_64", arn)
    return re.sub(r"py(3)[._-]?(\d{1,2})[-_](?=[a-z])", r"py\1_\2-", arn)


def _example(rows: Mapping[str, Row], words: str) -> str | None:
    """Return a recorded ARN as an example; one of the layer in the text, if it names one."""
    matching = (arn for arn, row in rows.items() if row.layer_name in words)
    return next(matching, next(iter(rows), None))
