"""A stand-in for the parts of GitHub's ``gh`` that the workflows use: pull requests, issues and releases in a JSON
file.

The steps of a job run it as a program. Like GitHub, it refuses actions that the job's permissions do not allow.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from builder.model.folder_lock import folder_lock

STATE = Path(os.environ["REHEARSAL_FORGE"])
PERMISSIONS: dict[str, str] = json.loads(os.environ["REHEARSAL_PERMISSIONS"])
SCOPES = {"pr": "pull-requests", "issue": "issues", "label": "issues", "release": "contents"}


def main() -> None:
    arguments = _parser().parse_args()
    if arguments.kind == "auth":
        sys.stdin.read()
        print(f"username=x-access-token\npassword={os.environ.get('GH_TOKEN', '')}")
        return
    if not os.environ.get("GH_TOKEN"):
        sys.exit("gh: To use GitHub CLI in a GitHub Actions workflow, set the GH_TOKEN environment variable.")
    scope = SCOPES[arguments.kind]
    scopes = ("read", "write") if arguments.action == "list" else ("write",)  # write includes read
    if PERMISSIONS.get(scope) not in scopes:
        missing = f"this job's token does not have {scope}: {scopes[-1]}"
        sys.exit(f"gh: Resource not accessible by integration (HTTP 403): {missing}")
    with folder_lock(STATE.parent):  # jobs run in parallel
        _change_state(arguments)


def _change_state(arguments: argparse.Namespace) -> None:
    state = json.loads(STATE.read_text()) if STATE.exists() else {"pr": [], "issue": [], "label": [], "release": []}
    if arguments.kind == "release":
        print(_act_on_release(arguments, state["release"]))
    elif arguments.kind == "label":
        state["label"].append(arguments.name)
    else:
        unknown = set(arguments.label or ()) - set(state["label"])
        if unknown and arguments.action != "list":
            sys.exit(f"gh: could not add label: {unknown} not found")
        print(_act(arguments, state[arguments.kind]))
    STATE.write_text(json.dumps(state, indent=2))


def _act(arguments: argparse.Namespace, items: list[dict[str, Any]]) -> str:
    if arguments.action == "list":
        matching = [t for t in items if t["state"] == "OPEN" and _fits(t, arguments)]
        return json.dumps([{key: item[key] for key in arguments.json.split(",")} for item in matching])
    if arguments.action == "create":
        item: dict[str, Any] = {"number": len(items) + 1, "state": "OPEN", "comments": [], "labels": []}
        items.append(item)
    else:
        item = next(t for t in items if str(t["number"]) == arguments.number)
    if arguments.action == "comment":
        item["comments"].append(_body(arguments))
    else:
        item.update(title=arguments.title or item.get("title"), body=_body(arguments) or item.get("body"))
        item["headRefName"] = getattr(arguments, "head", None) or item.get("headRefName")
        item["labels"] = arguments.label or item["labels"]
    return f"https://example.com/{arguments.kind}/{item['number']}"


def _act_on_release(arguments: argparse.Namespace, releases: list[dict[str, Any]]) -> str:
    if arguments.action == "list":
        return json.dumps([{key: each[key] for key in arguments.json.split(",")} for each in releases])
    release = next((each for each in releases if each["tagName"] == arguments.tag), None)
    if (release is None) != (arguments.action == "create"):
        sys.exit(f"gh: release {arguments.tag}: {'not found' if release is None else 'already exists (HTTP 422)'}")
    if release is None:
        release = {"tagName": arguments.tag, "assets": []}
        releases.append(release)
    if arguments.action == "upload":
        release["assets"] = sorted({*release["assets"], *(Path(file).name for file in arguments.files)})
    else:
        release.update(title=arguments.title, notes=Path(arguments.notes_file).read_text())
        release["prerelease"] = arguments.prerelease == "true"
    return f"https://example.com/releases/{arguments.tag}"


def _fits(item: dict[str, Any], arguments: argparse.Namespace) -> bool:
    head, labels = getattr(arguments, "head", None), arguments.label or item["labels"]
    return head in (None, item.get("headRefName")) and labels[:1] == item["labels"][:1]


def _body(arguments: argparse.Namespace) -> str | None:
    return Path(arguments.body_file).read_text() if arguments.body_file else None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="gh")
    kinds = parser.add_subparsers(dest="kind", required=True)
    auth = kinds.add_parser("auth")
    auth.add_argument("action", choices=["git-credential"])
    auth.add_argument("operation")
    label = kinds.add_parser("label")
    label.add_argument("action", choices=["create"])
    label.add_argument("name")
    label.add_argument("--force", action="store_true")
    releases = kinds.add_parser("release").add_subparsers(dest="action", required=True)
    listing = releases.add_parser("list")
    listing.add_argument("--json", required=True)
    listing.add_argument("--limit")
    for action in ("create", "edit"):
        change = releases.add_parser(action)
        change.add_argument("tag")
        change.add_argument("--title", required=True)
        change.add_argument("--notes-file", required=True)
        change.add_argument("--prerelease", choices=["true", "false"])
    upload = releases.add_parser("upload")
    upload.add_argument("tag")
    upload.add_argument("files", nargs="+")
    upload.add_argument("--clobber", action="store_true")
    for kind in ("pr", "issue"):
        actions = kinds.add_parser(kind).add_subparsers(dest="action", required=True)
        for action in ("list", "create", "edit", "comment"):
            each = actions.add_parser(action)
            if action in ("edit", "comment"):
                each.add_argument("number")
            if action == "list":
                each.add_argument("--state", choices=["open"], default="open")
                each.add_argument("--json", required=True)
            else:
                each.add_argument("--title")
                each.add_argument("--body-file")
            if kind == "pr":
                each.add_argument("--head")
                each.add_argument("--base")
            each.add_argument("--label", action="append")
            each.add_argument("--repo")
    return parser


if __name__ == "__main__":
    main()
