"""Parse a project's page of a package index: JSON (PEP 691, 700) or HTML (PEP 503, 592)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timezone
from html.parser import HTMLParser
from typing import Final
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, Field, ValidationError

from builder.model.frozen import Many, first_problem
from publisher.watch.index_fetch import IndexPage

#: Tags or JSON values of a page, as a limit of memory. The largest pages list some tens of thousands of files.
MAX_ITEMS: Final = 500_000


@dataclass(frozen=True)
class IndexFile:
    """A file of a project, as the index lists it."""

    name: str
    requires_python: str | None = None
    yanked: str | None = None  #: the reason, possibly empty; None: not yanked
    uploaded: datetime | None = None  #: None if the index does not list it


class InvalidPageError(ValueError):
    """The page is not one of a project; the message says why."""


def read_page(page: IndexPage) -> tuple[IndexFile, ...]:
    """Return the files that a page lists. Raises InvalidPageError if it is not a page of a project."""
    kind, start = page.content_type, page.body[:1000].lstrip()[:1]
    if kind == "names":
        return tuple(IndexFile(name) for name in page.body.decode().splitlines())
    if sum(map(page.body.count, (b"{", b"[", b"<"))) > MAX_ITEMS:
        raise InvalidPageError(f"it has more than {MAX_ITEMS:,} tags or values")
    if "json" in kind or ("html" not in kind and start == b"{"):
        return _from_json(page.body)
    if "html" in kind or start == b"<":
        return _from_html(page.body.decode("utf-8", "replace"))
    raise InvalidPageError(f"its Content-Type is {kind.partition(';')[0][:40] or 'missing'}")


class _JsonFile(BaseModel):
    filename: str
    requires_python: str | None = Field(None, alias="requires-python")
    yanked: bool | str | None = None
    upload_time: datetime | None = Field(None, alias="upload-time")


class _JsonPage(BaseModel):
    meta: dict[str, object] = Field(default_factory=dict)
    files: Many[_JsonFile]


def _from_json(body: bytes) -> tuple[IndexFile, ...]:
    try:
        page = _JsonPage.model_validate_json(body)
    except ValidationError as error:
        raise InvalidPageError(first_problem(error)[:200]) from None
    _check_version(str(page.meta.get("api-version", "1.0")))
    return tuple(
        IndexFile(each.filename, each.requires_python, _yank_reason(each.yanked), _utc(each.upload_time))
        for each in page.files
    )


def _yank_reason(value: bool | str | None) -> str | None:
    if isinstance(value, str):
        return value
    return "" if value else None


def _utc(moment: datetime | None) -> datetime | None:
    if moment is None:
        return None
    if not 1990 < moment.year < 9000:  # time zones and ages stay within the calendar
        raise InvalidPageError(f"a file has an upload-time in the year {moment.year}")
    return moment.astimezone(timezone.utc) if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


def _from_html(text: str) -> tuple[IndexFile, ...]:
    reader = _Links()
    try:
        reader.feed(text)
        reader.close()
    except InvalidPageError:
        raise
    except (AssertionError, ValueError) as error:  # some declarations; a character number of more than 4,300 digits
        raise InvalidPageError(f"invalid HTML: {error}"[:200]) from None
    return tuple(reader.files)


class _Links(HTMLParser):
    """Collects the files that the links name."""

    def __init__(self) -> None:
        super().__init__()
        self.files: list[IndexFile] = []

    def handle_starttag(self, tag: str, attrs: Iterable[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        if tag == "meta" and attributes.get("name") == "pypi:repository-version":
            _check_version(attributes.get("content") or "")
        if tag != "a" or not (address := attributes.get("href")):
            return
        try:
            name = unquote(urlsplit(address).path).rpartition("/")[2]
        except ValueError:  # an invalid URL, "http://["
            return
        yanked = (attributes["data-yanked"] or "") if "data-yanked" in attributes else None
        self.files.append(IndexFile(name, attributes.get("data-requires-python"), yanked))


def _check_version(version: str) -> None:
    if version.partition(".")[0] != "1":
        raise InvalidPageError(f"it has version {version[:20]} of the Simple API; this program reads version 1")
