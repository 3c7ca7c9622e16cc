"""Compare a release or a build with the last release: sizes, cold start, packages. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from builder.model.artifact import Locked
from builder.model.cold_start import ColdStart
from builder.model.figures import counted, difference, megabytes
from builder.model.lock_changes import Changes, changes
from publisher.ledger.release import Release, TargetRecord
from publisher.text.markdown import table, text

#: A longer list of changed packages is folded up.
_MAX_UNFOLDED_ROWS = 15


@dataclass(frozen=True)
class BuiltTarget:
    """The facts that are shown of one target's zip."""

    target: str
    size: int | None
    unzipped_size: int | None
    lock: tuple[Locked, ...] | None
    cold_start: ColdStart | None = None


def built_targets(release: Release) -> tuple[BuiltTarget, ...]:
    """Return the facts of each target of a recorded release, in the usual order."""
    ordered = sorted(release.targets, key=lambda each: each.target_key.order)
    return tuple(BuiltTarget(each.id, each.size, each.unzipped_size, each.lock, each.cold_start) for each in ordered)


def title(release: Release) -> str:
    """Return the release in words: ``layer version 2 (1.61.0)``."""
    return f"layer version {release.layer_version} ({release.version})"


def size_table(built: Sequence[BuiltTarget], last: Release | None) -> str:
    """Return a table of each target's sizes and cold start, with the difference to the last release."""
    headers = ["Target", "Zipped", "Unzipped"]
    before = {each.target: last.target(each.target) if last else None for each in built}
    rows = [[each.target, *_sizes(each, before[each.target])] for each in built]
    if any(each.cold_start for each in built):
        headers.append("Cold start")
        rows = [[*row, _start(each, before[each.target])] for row, each in zip(rows, built, strict=True)]
    return table(headers, rows, right=range(1, len(headers)))


def _sizes(now: BuiltTarget, before: TargetRecord | None) -> Iterator[str]:
    last_sizes = (before.size, before.unzipped_size) if before else (None, None)
    pairs = zip((now.size, now.unzipped_size), last_sizes, strict=True)
    for new, old in pairs:
        if new is None:
            yield "not recorded"
        elif old is None:
            yield megabytes(new)
        else:
            yield f"{megabytes(new)} ({difference(old / 1048576, new / 1048576, 'MB', 1)})"


def _start(now: BuiltTarget, before: TargetRecord | None) -> str:
    """Return the time until the function is ready; compared if it was measured on the same machine."""
    new, old = now.cold_start, before.cold_start if before else None
    if new is None:
        return "not measured"
    words = f"{new.ready_seconds:.2f} s"
    if old is None:
        return words
    if (new.machine, new.processor) != (old.machine, old.processor):
        return f"{words} (another machine)"
    return f"{words} ({difference(old.ready_seconds, new.ready_seconds, 's', 2)})"


def find_changes(built: Iterable[BuiltTarget], last: Release) -> Mapping[Changes, tuple[str, ...]]:
    """Return the changes of packages since the last release, with the targets that have them.

    Targets without a change, and those whose packages are not recorded, are left out.
    """
    targets: dict[Changes, tuple[str, ...]] = {}
    for each in built:
        before = last.target(each.target)
        if before and before.lock is not None and each.lock is not None and (change := changes(before.lock, each.lock)):
            targets[change] = (*targets.get(change, ()), each.target)
    return targets


def package_section(built: Sequence[BuiltTarget], last: Release) -> str:
    """Return the packages that changed, in Markdown."""
    heading = f"#### Packages since {text(title(last))}\n\n"
    package_changes = find_changes(built, last)
    if not package_changes:
        pairs = [(each.lock, before.lock) for each in built if (before := last.target(each.target))]
        recorded = any(new is not None and old is not None for new, old in pairs)
        return heading + ("No package changed.\n" if recorded else "The packages of these releases are not recorded.\n")
    parts = []
    for change, targets in package_changes.items():
        where = "In every target" if len(targets) == len(built) > 1 else f"In {', '.join(targets)}"
        rows = [[text(name), text(old), text(new)] for name, old, new in _rows(change)]
        rows_table = table(["Package", "Before", "Now"], rows)
        if len(rows) > _MAX_UNFOLDED_ROWS:
            parts.append(
                f"<details><summary>{where}: {counted(len(rows), 'package')}</summary>\n\n{rows_table}\n</details>\n"
            )
        else:
            parts.append(f"{where}:\n\n{rows_table}")
    return heading + "\n".join(parts)


def _rows(change: Changes) -> list[tuple[str, str, str]]:
    return sorted(
        [
            *((name, "", version) for name, version in change.added),
            *((name, version, "removed") for name, version in change.removed),
            *change.updated,
            *((name, version, "another wheel") for name, version in change.rewheeled),
        ]
    )
