"""Direct references (PEP 508), by which requirements name a package: paths, ``file:`` URLs, other URLs, bare URLs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import unquote, urlsplit

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from builder.model.escape import shorten
from builder.requirements.declared import LocalPackage
from builder.requirements.file_hashes import problem_of_digests

URL = re.compile(r"^(?!file:)[a-z][a-z0-9+.-]*://")
_VCS = re.compile(r"^(git|hg|svn|bzr)\+")
_ARCHIVES = (".whl", ".zip", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
#: The algorithms of a URL's fragment that pip checks.
_DIGESTS = frozenset({"md5", "sha1", "sha224", "sha256", "sha384", "sha512"})


def local_package(
    text: str, folder: Path, where: str, *, name: str | None = None, digests: Iterable[str] = ()
) -> LocalPackage | str:
    """Return the package at a path or ``file:`` URL, relative to ``folder``. A string says why it cannot be used.

    The fragment may name the package with its extras (``egg``), a ``subdirectory`` and the hash of the file. The
    file must have one of the ``digests`` (``sha256:…``), if there are any, as each of the fragment.
    """
    is_path = not text.startswith("file:") and path_of(text, folder).exists()  # a name may contain "#"
    bare, _, fragment = (text, "", "") if is_path else text.partition("#")
    path = path_of(bare, folder)
    extras: tuple[str, ...] = ()
    stated: list[str] = []
    for key, value in (part.partition("=")[::2] for part in fragment.split("&") if part):
        if key == "egg":
            try:
                egg = Requirement(unquote(value))
            except InvalidRequirement:
                return f"#{key}={value} is not the name of a package"
            name, extras = name or canonicalize_name(egg.name), tuple(sorted(egg.extras))
        elif key == "subdirectory":
            path /= unquote(value)
        elif key in _DIGESTS:
            stated.append(f"{key}:{value}")
        else:
            return f"#{key} in {text} has no meaning; use #egg=, #subdirectory= or #sha256="
    problem = problem_of_local(path, text, name=name) or problem_of_digests(path, digests, stated)
    return problem or LocalPackage(path, where, name, extras)


def problem_of_url(url: str) -> str | None:
    """Return why a direct reference cannot be used; None for the URL of a wheel."""
    if _VCS.match(url) or url.startswith("ssh:"):
        return (
            f"{url} is a version control URL, and only wheels are used; "
            "clone it and name the folder, or build a wheel and name its path"
        )
    if ".whl;" in url:
        return f"{url}: write a space before the semicolon of a marker (PEP 508), because a URL may contain one"
    if not urlsplit(url).path.endswith(".whl"):
        return f"{url} is not the URL of a wheel (.whl); download it and name its path, or name a wheel"
    return None


def problem_of_local(place: Path, written: str, name: str | None = None) -> str | None:
    """Return why a path cannot be used as a package, or None."""
    if "/croot/" in written or "/home/conda/" in written or "/feedstock_root/" in written:
        return (
            f"{written} is a folder of conda's build machine; "
            f"write the version instead: {name or 'name'}==… (`pip list --format=freeze` prints it)"
        )
    if problem := problem_of_host(written):
        return problem
    if place.is_file():
        return None if place.name.endswith(_ARCHIVES) else f"{written} is neither a wheel nor a source archive"
    if not place.is_dir():
        return f"no such file or directory: {written}"
    if not any((place / each).is_file() for each in ("pyproject.toml", "setup.py", "setup.cfg")):
        return f"{written} has no pyproject.toml or setup.py, so it is not a package"
    return None


def problem_of_host(text: str) -> str | None:
    """Return why a ``file:`` URL cannot be used if it names another machine, or None."""
    host = urlsplit(text).netloc if text.startswith("file:") else ""
    if host in ("", "localhost"):
        return None
    return f"{text} is on another machine ({shorten(host)}); name a path or a file:/// URL"


def path_of(text: str, folder: Path) -> Path:
    """Return the path of a local path or ``file:`` URL in a file in ``folder``."""
    if text.startswith("file:"):
        text = unquote(urlsplit(text).path)
    place = Path(text.replace("\\", "/"))
    place = place.expanduser() if text.startswith("~/") else place
    beside = folder / place
    return beside if beside.exists() or not place.exists() else place  # pip resolves it from the current folder


def named_url(text: str) -> str:
    """Return ``name @ URL`` for a line that is only the URL of a wheel."""
    url, _, marker = text.partition(" ;")
    if not URL.match(text):
        return text
    try:
        name = parse_wheel_filename(unquote(urlsplit(url.strip()).path.rsplit("/", 1)[-1]))[0]
    except InvalidWheelFilename:
        return f"unnamed @ {text}"
    return f"{name} @ {url.strip()}" + (f" ;{marker}" if marker else "")


def advice_for_line(text: str) -> str | None:
    """Return advice for lines that other tools write and that no index can serve."""
    if re.fullmatch(r"pkg[-_]resources==0\.0\.0", text.strip()):
        return "pkg-resources==0.0.0 is not a package; Debian's pip freeze writes it by mistake: remove the line"
    if re.fullmatch(r"[A-Za-z0-9_.-]+=[^=<>!~\s]+(=\S*)?", text.strip()):
        return f"{text.strip()} is conda's format; write name==version (`pip list --format=freeze` prints it)"
    if _VCS.match(text):
        return problem_of_url(text)
    bare = " ".join(text.split())
    if match := re.fullmatch(r"([A-Za-z0-9_.-]+) ?(?:\^|@|~|=>|=<| ) ?v?(\d[\w.]*)", bare):
        shown = shorten(f"{match[1]}=={match[2]}")
        return f"{shorten(bare)!r} is not a requirement (PEP 508); write {shown}, or use >=, <= or ~="
    return None
