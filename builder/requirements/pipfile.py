"""Read a Pipfile: packages, development packages and other categories, sources."""

from __future__ import annotations

import os
from pathlib import Path

from builder.model.errors import InputError
from builder.model.text_files import array, read_toml, table
from builder.requirements.declared import Problems, Requirements, Selection, declare, fix_for_unknown, names_of
from builder.requirements.entries import DeclaredSources, Entry
from builder.requirements.indexes import refusal_of_index
from builder.requirements.poetry_tables import poetry_entries

_NO_CATEGORIES = {"source", "requires", "packages", "pipenv", "scripts"}


def read_pipfile(path: Path, selection: Selection, python: str) -> Requirements:
    """Return the requirements of a Pipfile; ``--group`` selects ``dev-packages`` or a category. Raises InputError."""
    problems = Problems()
    document = read_toml(path)
    if selection.extras:
        raise InputError("a Pipfile has no extras", where=f"{path}: --extra", fix="name a category with --group")
    categories = [name for name, value in document.items() if name not in _NO_CATEGORIES and isinstance(value, dict)]
    unknown = [name for name in selection.groups if name not in categories]
    if unknown:
        fix = fix_for_unknown(categories, "--group")
        raise InputError(f"the Pipfile has no category {unknown[0]!r}", where=f"{path}: --group", fix=fix)
    unselected = [name for name in categories if name not in selection.groups]
    sources = [source for source in array(document, "source", where=str(path)) if isinstance(source, dict)]
    urls = {str(source.get("name")): str(source.get("url", "")) for source in sources}
    refused = {name: problem for name, url in urls.items() if (problem := refusal_of_index(url))}
    indexes = {name: urls[name] for name in refused}
    if (default := next(iter(urls), None)) in refused:  # pipenv's default index
        problems.add(f"{path.name}: [[source]]", refused[str(default)])
    entries: list[Entry] = []
    for section in ("packages", *selection.groups):
        where = f"{path.name}: [{section}]"
        entries += poetry_entries(table(document, section, where=str(path)), where, problems)
    available = DeclaredSources(path.parent, problems, indexes)
    for entry in entries:
        name = (entry.source or {}).get("index", "pypi")
        if name not in {*urls, "pypi"}:
            problems.add(entry.where, f"there is no [[source]] named {name!r}")
        available.apply_known(entry.requirement, entry.source, entry.where)
    requires = table(document, "requires", where=str(path))
    required_python = str(requires.get("python_full_version") or requires.get("python_version") or python)
    other_python = [f"warning: {path.name} is for Python {required_python}, and the function for {python}"]
    notes = [] if required_python == python or required_python.startswith(f"{python}.") else other_python
    problems.raise_any()
    mirror = os.environ.get("PIPENV_PYPI_MIRROR", "")
    notes += [f"warning: PIPENV_PYPI_MIRROR: {problem}"] if (problem := refusal_of_index(mirror)) else []
    notes += [f"not included: category {names_of(unselected)} (--group NAME includes one)"] if unselected else []
    allowed = table(document, "pipenv", where=str(path)).get("allow_prereleases") is True
    needs_lock = tuple(f"{each.where}: {each.needs_lock}" for each in entries if each.needs_lock)
    needs_lock += (f"{path.name}: [pipenv].allow_prereleases",) if allowed else ()
    return Requirements(
        path,
        tuple(declare(entry.requirement, entry.where) for entry in entries),
        places=available.places,
        groups=selection.groups,
        indexes=indexes,
        needs_lock=needs_lock,
        notes=tuple(notes),
    )
