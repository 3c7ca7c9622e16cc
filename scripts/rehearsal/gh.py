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
    needed = ("read", "write") if arguments.action == "list" else ("write",)  # write includes read
    if PERMISSIONS.get(scope) not in needed:
        missing = f"this job's token does not have {scope}: {needed[-1]}"
        sys.exit(f"gh: Resource not accessible by integration (HTTP 403): {missing}")
    state = json.loads(STATE.read_text()) if STATE.exists() else {"pr": [], "issue": [], "label": [], "release": []}
    if arguments.kind == "release":
        print(_act_on_release(arguments, state["release"]))
        STATE.write_text(json.dumps(state, indent=2))
        return
    if arguments.kind == "label":
        state["label"].append(arguments.name)
        STATE.write_text(json.dumps(state, indent=2))
        return
    unknown = set(arguments.label or ()) - set(state["label"])
    if unknown and arguments.action != "list":
        sys.exit(f"gh: could not add label: {unknown} not found")
    print(_act(arguments, state[arguments.kind]))
    STATE.write_text(json.dumps(state, indent=2))


def _act(arguments: argparse.Namespace, things: list[dict[str, Any]]) -> str:
    if arguments.action == "list":
        wanted = [t for t in things if t["state"] == "OPEN" and _fits(t, arguments)]
        return json.dumps([{key: thing[key] for key in arguments.json.split(",")} for thing in wanted])
    if arguments.action == "create":
        thing: dict[str, Any] = {
            "number": len(things) + 1,
            "state": "OPEN",
            "comments": [],
            "labels": [],
            "headRefName": None,
        }
        things.append(thing)
    else:
        thing = next(t for t in things if str(t["number"]) == arguments.number)
    if arguments.action == "comment":
        thing["comments"].append(_body(arguments))
    else:
        thing.update(title=arguments.title or thing.get("title"), body=_body(arguments) or thing.get("body"))
        thing["headRefName"] = getattr(arguments, "head", None) or thing.get("headRefName")
        thing["labels"] = arguments.label or thing["labels"]
    return f"https://example.com/{arguments.kind}/{thing['number']}"


def _act_on_release(arguments: argparse.Namespace, releases: list[dict[str, Any]]) -> str:
    if arguments.action == "list":
        return json.dumps([{key: each[key] for key in arguments.json.split(",")} for each in releases])
    found = next((each for each in releases if each["tagName"] == arguments.tag), None)
    if (found is None) != (arguments.action == "create"):
        sys.exit(f"gh: release {arguments.tag}: {'not found' if found is None else 'already exists (HTTP 422)'}")
    if found is None:
        found = {"tagName": arguments.tag, "assets": []}
        releases.append(found)
    if arguments.action == "upload":
        found["assets"] = sorted({*found["assets"], *(Path(file).name for file in arguments.files)})
    else:
        found.update(title=arguments.title, notes=Path(arguments.notes_file).read_text())
        found["prerelease"] = arguments.prerelease == "true"
    return f"https://example.com/releases/{arguments.tag}"


def _fits(thing: dict[str, Any], arguments: argparse.Namespace) -> bool:
    return all(
        wanted is None or wanted == has
        for wanted, has in (
            (getattr(arguments, "head", None), thing.get("headRefName")),
            (arguments.label and arguments.label[0], (thing["labels"] or [None])[0]),
        )
    )


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
