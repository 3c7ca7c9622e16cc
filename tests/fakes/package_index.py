"""A package index on this machine: pages in JSON or HTML, files, and faults."""

from __future__ import annotations

import gzip
import hashlib
import html
import json
import ssl
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from publisher.watch.package_index import AvailableVersion, versions_on_index
from tests.fakes.serving import serving
from tests.fakes.wheels import empty_uv_cache

#: Every variable by which uv finds another index.
SETTINGS = (
    "UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_NO_INDEX",
    "UV_INDEX_STRATEGY", "UV_CONFIG_FILE", "UV_NO_CONFIG", "PIP_INDEX_URL",
)  # fmt: skip
JSON = "application/vnd.pypi.simple.v1+json"


@dataclass
class Entry:
    """A file in the index. With ``content`` None it is listed but cannot be downloaded."""

    name: str
    content: bytes | None = None
    yanked: bool | str = False
    uploaded: str | None = "2026-01-01T00:00:00Z"
    requires_python: str | None = None


@dataclass
class PackageIndex:
    """The content of the index. Tests change it while the server runs."""

    address: str = ""
    projects: dict[str, list[Entry]] = field(default_factory=dict)
    form: str = "json"  #: json or html
    hashes: bool = True
    algorithm: str = "sha256"
    kept: str = ""  #: Cache-Control of pages
    account: str = ""  #: user:password, if authentication is required
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    #: Called before the index with the handler; returns whether it has sent a response.
    fault: Callable[[BaseHTTPRequestHandler], bool] | None = None

    def add(self, name: str, content: bytes | None = None, **more: Any) -> Entry:
        """List a file; its project follows from its name."""
        project = name.split("-")[0].lower().replace("_", "-").replace(".", "-")
        entry = Entry(name, content, **more)
        self.projects.setdefault(project, []).append(entry)
        return entry

    def add_wheel(self, path: Path, **more: Any) -> Entry:
        """List and serve a wheel."""
        return self.add(path.name, path.read_bytes(), **more)

    def page_requests(self) -> int:
        return sum(path.startswith("/simple/") for path, _ in self.asked)

    def page(self, project: str) -> tuple[bytes, str]:
        entries = self.projects[project]
        if self.form == "html":
            return "".join(self._link(entry) for entry in entries).encode(), "text/html; charset=utf-8"
        files = [
            {
                "filename": entry.name,
                "url": f"/files/{entry.name}",
                "hashes": self._hashes(entry),
                "yanked": entry.yanked,
                **({"upload-time": entry.uploaded} if entry.uploaded else {}),
                **({"requires-python": entry.requires_python} if entry.requires_python else {}),
            }
            for entry in entries
        ]
        return json.dumps({"meta": {"api-version": "1.1"}, "name": project, "files": files}).encode(), JSON

    def _link(self, entry: Entry) -> str:
        digest = self._hashes(entry).get(self.algorithm)
        more = f' data-requires-python="{html.escape(entry.requires_python)}"' if entry.requires_python else ""
        if entry.yanked is not False:
            more += f' data-yanked="{html.escape(entry.yanked if isinstance(entry.yanked, str) else "")}"'
        mark = f"#{self.algorithm}={digest}" if digest else ""
        return f'<a href="../../files/{entry.name}{mark}"{more}>{entry.name}</a><br>\n'

    def _hashes(self, entry: Entry) -> dict[str, str]:
        return {self.algorithm: hashlib.new(self.algorithm, entry.content or b"").hexdigest()} if self.hashes else {}

    def file(self, name: str) -> bytes | None:
        found = (entry for entries in self.projects.values() for entry in entries if entry.name == name)
        return next((entry.content for entry in found), None)


def send(
    handler: BaseHTTPRequestHandler, status: int, body: bytes = b"", kind: str = "text/plain", **headers: str
) -> bool:
    """Send a response; faults use it too."""
    handler.send_response(status)
    handler.send_header("Content-Type", kind)
    for name, value in {"Content-Length": str(len(body)), **headers}.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    if handler.command != "HEAD":
        handler.wfile.write(body)
    return True


@contextmanager
def running_index(certificate: Path | None = None) -> Iterator[PackageIndex]:
    """Run an empty index on 127.0.0.1, over TLS if a certificate with its key is given."""
    index = PackageIndex()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None: ...

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            index.asked.append((self.path, dict(self.headers)))
            if index.fault is not None and index.fault(self):
                return
            secret = f"Basic {b64encode(index.account.encode()).decode()}"
            if index.account and self.headers.get("Authorization") != secret:
                send(self, 401, WWW_Authenticate="Basic")
                return
            kind, _, name = self.path.strip("/").partition("/")
            if kind == "simple" and name in index.projects:
                body, form = index.page(name)
                packed = {"Content_Encoding": "gzip"} if "gzip" in self.headers.get("Accept-Encoding", "") else {}
                kept = {"Cache_Control": index.kept} if index.kept else {}
                send(self, 200, gzip.compress(body) if packed else body, form, **packed, **kept)
            elif kind == "files" and (content := index.file(name)) is not None:
                send(self, 200, content, "application/octet-stream")
            else:
                send(self, 404)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    index.address = f"{'https' if certificate else 'http'}://127.0.0.1:{server.server_port}"
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    with serving(server):
        yield index


def use_index(patch: pytest.MonkeyPatch, address: str, folder: Path) -> None:
    """Make ``address`` the only index of uv and layers, without any setting of the user."""
    for name in SETTINGS:
        patch.delenv(name, raising=False)
    patch.setenv("UV_DEFAULT_INDEX", address)
    empty_uv_cache(patch, folder / "uv-cache")
    patch.setenv("XDG_CONFIG_HOME", str(folder / "no-config"))
    patch.setenv("NETRC", str(folder / "no-netrc"))
    patch.setenv("UV_HTTP_RETRIES", "0")
    patch.setenv("UV_HTTP_TIMEOUT", "5")


def versions(package: str = "demo") -> dict[str, AvailableVersion]:
    """Return the versions on the index that the settings name."""
    return {each.name: each for each in versions_on_index(package)}
