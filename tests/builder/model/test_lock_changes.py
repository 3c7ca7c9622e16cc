"""Changes between two locks."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from builder.model.artifact import Locked
from builder.model.lock_changes import changes


def locked(name: str, version: str, sha256: str = "0" * 64) -> Locked:
    return Locked(name=name, version=version, filename=f"{name}-{version}-py3-none-any.whl", sha256=sha256)


def test_added_removed_and_changed_packages_are_listed() -> None:
    old = [locked("gone", "1"), locked("kept", "1"), locked("moved", "1"), locked("rebuilt", "1")]
    new = [locked("kept", "1"), locked("moved", "2"), locked("new", "3"), locked("rebuilt", "1", "1" * 64)]
    assert changes(old, new).lines() == ["+ new 3", "- gone 1", "~ moved 1 → 2", "~ rebuilt 1, another wheel"]


_LOCKS = st.dictionaries(st.sampled_from("abcd"), st.sampled_from(["1", "2"])).map(
    lambda found: [locked(name, version) for name, version in found.items()]
)


@given(_LOCKS, _LOCKS)
def test_the_reverse_comparison_has_the_reverse_changes(old: list[Locked], new: list[Locked]) -> None:
    there, back = changes(old, new), changes(new, old)
    assert there.added == back.removed
    assert there.removed == back.added
    assert [(n, a, b) for n, a, b in there.updated] == [(n, b, a) for n, a, b in back.updated]
    assert bool(there) == ({(p.name, p.version) for p in old} != {(p.name, p.version) for p in new})
