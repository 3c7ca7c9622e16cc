"""The part of Gitea's API that Renovate uses to update one repository, which is a bare git repository on disk."""

from __future__ import annotations

import json
import re
import subprocess
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

USER = {"id": 1, "login": "renovate", "username": "renovate", "full_name": "Renovate", "email": "renovate@example.com"}


def git(folder: Path, *arguments: str) -> str:
    """Run git in a folder with a fixed author."""
    author = ["-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "init.defaultBranch=main"]
    command = ["git", *author, *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout


class GiteaServer(ThreadingHTTPServer):
    """Serves ``owner/repo``, and below ``/site/`` the files of ``site``."""

    def __init__(self, repository: Path, site: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repository = repository
        self.site = site
        self.pulls: list[dict[str, Any]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def open_pull(self, request: dict[str, Any]) -> dict[str, Any]:
        sha = git(self.repository, "rev-parse", request["head"]).strip()
        pull = {
            "number": len(self.pulls) + 1, "state": "open", "title": request["title"], "body": request["body"],
            "mergeable": True, "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z",
            "base": {"ref": request["base"]}, "user": USER,
            "head": {"label": request["head"], "sha": sha, "repo": {"full_name": "owner/repo"}},
        }  # fmt: skip
        self.pulls.append(pull)
        return pull


class _Handler(BaseHTTPRequestHandler):
    server: GiteaServer

    def log_message(self, *_: object) -> None: ...

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path.startswith("/site/"):
            file = self.server.site / path.removeprefix("/site/")
            self._send(file.read_bytes() if file.is_file() else None)
            return
        repository = {
            "id": 1, "full_name": "owner/repo", "default_branch": "main", "owner": USER, "allow_rebase": True,
            "permissions": {"admin": True, "pull": True, "push": True}, "has_pull_requests": True,
            "clone_url": f"{self.server.url}/owner/repo.git", "ssh_url": str(self.server.repository),
        }  # fmt: skip
        known: dict[str, Any] = {
            "/api/v1/user": USER,
            "/api/v1/version": {"version": "1.22.0"},
            "/api/v1/repos/owner/repo": repository,
            "/api/v1/repos/owner/repo/pulls": self.server.pulls,
            "/api/v1/repos/owner/repo/issues": [],
            "/api/v1/repos/owner/repo/labels": [],
        }
        statuses = re.fullmatch(r"/api/v1/repos/owner/repo/commits/.*/statuses", path)
        document = [] if statuses else known.get(path)
        self._send(None if document is None else json.dumps(document).encode())

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"{}")
        document = self.server.open_pull(request) if self.path == "/api/v1/repos/owner/repo/pulls" else {}
        self._send(json.dumps(document).encode(), 201)

    def _send(self, data: bytes | None, status: int = 200) -> None:
        self.send_response(404 if data is None else status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data or b"")))
        self.end_headers()
        self.wfile.write(data or b"")
