"""SBOMs and cold starts: from a build's folder into the ledger, and from there into the catalog."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from builder.model.artifact import read_manifest, write_manifest
from builder.model.cold_start import ColdStart, SmokeResult, record_smoke
from publisher.ledger.folder import FolderLedger
from publisher.ledger.s3 import BucketLedger
from tests.conftest import Sandbox
from tests.fakes.command import Layers

X86, ARM = "demo-py3_12-x86_64", "demo-py3_12-aarch64"
START = ColdStart(
    import_seconds=0.7, ready_seconds=1.0, first_seconds=0.3, second_seconds=0.02, peak_memory=98_000_000,
    interpreter="3.12.7", machine="x86_64", processor="A Processor", starts=3,
)  # fmt: skip


def sbom_of(name: str) -> bytes:
    return f'{{"bomFormat": "CycloneDX", "metadata": "{name}"}}\n'.encode()


def build(layers: Layers, version: str, *, smoke: bool = True, name: str = "one") -> Path:
    """Write the files of `layers build` with SBOMs, and of `layers smoke --record` on an x86_64 machine."""
    folder = Path(layers.artifacts(version, name))
    manifest = read_manifest(folder)
    artifacts = []
    for artifact in manifest.artifacts:
        data = sbom_of(f"{version} {artifact.target}")
        sbom = f"{artifact.layer_name}.cdx.json"
        (folder / sbom).write_bytes(data)
        artifacts.append(artifact.model_copy(update={"sbom": sbom, "sbom_sha256": sha256(data).hexdigest()}))
        if smoke:
            native = artifact.layer_name == X86
            record_smoke(
                folder,
                artifact.sha256,
                SmokeResult(
                    file=artifact.file, target=artifact.target, status="proven" if native else "unproven",
                    reason=None if native else "another machine", cold_start=START if native else None,
                ),
            )  # fmt: skip
    write_manifest(folder, manifest.model_copy(update={"artifacts": tuple(artifacts)}))
    return folder


def publish(layers: Layers, folder: Path, *more: str) -> Any:
    version = folder.name.split("-")[0]
    return layers("publish", "--version", version, "--artifacts", str(folder), "--yes", *more)


def target(layers: Layers, name: str, number: int = 1) -> dict[str, Any]:
    record = json.loads((Path(layers.ledger) / f"{number:04d}.json").read_text())
    found: dict[str, Any] = next(each for each in record["targets"] if each["layer_name"] == name)
    return found


def test_the_ledger_records_figures_and_sboms_of_the_published_bytes(layers: Layers) -> None:
    assert publish(layers, build(layers, "1.0")).code == 0
    assert target(layers, X86)["cold_start"] == START.model_dump(mode="json")
    assert target(layers, ARM)["cold_start"] is None
    kept = Path(layers.ledger) / "sbom" / "0001"
    assert {path.name: path.read_bytes() for path in kept.iterdir()} == {
        f"{X86}.cdx.json": sbom_of("1.0 py3.12-x86_64"),
        f"{ARM}.cdx.json": sbom_of("1.0 py3.12-aarch64"),
    }
    assert layers("audit").code == 0
    assert layers("sync").code == 0
    assert target(layers, X86)["cold_start"] == START.model_dump(mode="json")


def spread(folder: Path) -> Path:
    """Split the build as several machines leave it: a folder for the zips of each Python, one for each smoke."""
    whole = folder.with_name(f"{folder.name}-spread")
    manifest = read_manifest(folder)
    for artifact in manifest.artifacts:
        part = whole / f"zips-{artifact.target}"
        part.mkdir(parents=True)
        for name in filter(None, (artifact.file, artifact.sbom)):
            (part / name).write_bytes((folder / name).read_bytes())
        write_manifest(part, manifest.model_copy(update={"artifacts": (artifact,)}))
    (whole / "proof").mkdir()
    (folder / "smoke.json").rename(whole / "proof" / "smoke.json")
    return whole


def test_the_parts_of_a_build_on_several_machines_are_merged(layers: Layers) -> None:
    folder = spread(build(layers, "1.0"))
    assert publish(layers, folder).code == 0
    assert target(layers, X86)["cold_start"] == START.model_dump(mode="json")
    assert target(layers, X86)["sbom"] == f"{X86}.cdx.json"
    kept = Path(layers.ledger) / "sbom" / "0001" / f"{X86}.cdx.json"
    assert kept.read_bytes() == sbom_of("1.0 py3.12-x86_64")


def test_parts_of_two_builds_are_refused(layers: Layers) -> None:
    folder = spread(build(layers, "1.0"))
    other = spread(build(layers, "1.1", name="two"))
    (other / "zips-py3.12-x86_64").rename(folder / "zips-of-another")
    ended = publish(layers, folder)
    assert ended.code == 3
    assert "builds of demo 1.1 and of demo 1.0" in ended.err
    twice = spread(build(layers, "1.0", name="three"))
    (twice / "zips-py3.12-x86_64").rename(other / "x")
    folder = spread(build(layers, "1.0", name="four"))
    (other / "x").rename(folder / "zips-again")
    assert "two zips of py3.12-x86_64" in publish(layers, folder).err


def test_figures_of_other_bytes_are_not_recorded(layers: Layers) -> None:
    folder = build(layers, "1.0")
    other = build(layers, "1.0", smoke=False, name="two")
    (other / "smoke.json").write_bytes((folder / "smoke.json").read_bytes())
    assert publish(layers, other).code == 0
    assert target(layers, X86)["cold_start"] is None


def test_a_later_figure_is_added_and_recorded_ones_are_kept(layers: Layers) -> None:
    assert publish(layers, build(layers, "1.0", smoke=False)).code == 0
    assert target(layers, X86)["cold_start"] is None
    folder = build(layers, "1.0")
    assert publish(layers, folder).code == 0
    assert target(layers, X86)["cold_start"] == START.model_dump(mode="json")
    before = (Path(layers.ledger) / "0001.json").read_bytes()
    (folder / "smoke.json").unlink()
    assert publish(layers, folder).code == 0
    assert (Path(layers.ledger) / "0001.json").read_bytes() == before


def test_a_zip_whose_smoke_failed_is_not_published(layers: Layers) -> None:
    folder = build(layers, "1.0", smoke=False)
    artifact = read_manifest(folder).artifacts[0]
    failed = SmokeResult(file=artifact.file, target=artifact.target, status="failed", reason="no module named strands")
    record_smoke(folder, artifact.sha256, failed)
    ended = publish(layers, folder)
    assert ended.code == 3
    assert "its smoke test failed: no module named strands" in ended.err
    assert not (Path(layers.ledger) / "0001.json").exists()


@pytest.mark.parametrize("key", ["size", "unzipped_size"])
def test_a_zip_with_another_size_than_its_manifest_states_is_not_published(key: str, layers: Layers) -> None:
    folder = build(layers, "1.0")
    manifest = read_manifest(folder)
    first, *rest = manifest.artifacts
    wrong = first.model_copy(update={key: getattr(first, key) + 1})
    write_manifest(folder, manifest.model_copy(update={"artifacts": (wrong, *rest)}))
    ended = publish(layers, folder)
    assert ended.code == 3
    assert "its manifest has" in ended.err
    assert not (Path(layers.ledger) / "0001.json").exists()


def test_a_damaged_smoke_file_stops_before_anything_is_published(layers: Layers) -> None:
    folder = build(layers, "1.0")
    (folder / "smoke.json").write_text("{")
    ended = publish(layers, folder)
    assert ended.code == 3
    assert "smoke.json" in ended.err
    assert layers("audit", "--json").json["drift"] == []


def test_an_sbom_that_differs_from_the_manifest_is_refused(layers: Layers) -> None:
    folder = build(layers, "1.0")
    (folder / f"{ARM}.cdx.json").write_text("{}")
    ended = publish(layers, folder)
    assert ended.code == 3
    assert f"{ARM}.cdx.json: the SBOM's sha256 is" in ended.err
    assert not (Path(layers.ledger) / "0001.json").exists()


def test_a_build_without_sboms_is_published(layers: Layers) -> None:
    folder = build(layers, "1.0")
    for path in folder.glob("*.cdx.json"):
        path.unlink()
    assert publish(layers, folder).code == 0
    assert target(layers, X86)["sbom"] == f"{X86}.cdx.json"
    assert FolderLedger(Path(layers.ledger), layers.matrix).sboms() == frozenset()


def test_the_next_run_restores_a_lost_sbom(layers: Layers) -> None:
    folder = build(layers, "1.0")
    assert publish(layers, folder).code == 0
    lost = Path(layers.ledger) / "sbom" / "0001" / f"{ARM}.cdx.json"
    lost.unlink()
    assert publish(layers, folder).code == 0
    assert lost.read_bytes() == sbom_of("1.0 py3.12-aarch64")


def docs(layers: Layers, *more: str) -> Any:
    return layers("docs", "--output", str(layers.folder / "docs"), *more)


def test_the_catalog_contains_and_links_the_sboms(layers: Layers) -> None:
    publish(layers, build(layers, "1.0"))
    assert docs(layers, "--check").code == 6
    assert docs(layers).code == 0
    index = json.loads((layers.folder / "docs" / "layers.json").read_text())
    for made in index["releases"][0]["targets"]:
        data = (layers.folder / "docs" / made["sbom_path"]).read_bytes()
        assert sha256(data).hexdigest() == made["sbom_sha256"]
        assert made["cold_start"] == (
            {**START.model_dump(exclude={"imports"}), "import_ms": {}} if made["layer_name"] == X86 else None
        )
    assert docs(layers, "--check").code == 0

    copy = layers.folder / "docs" / "sbom" / "0001" / f"{X86}.cdx.json"
    copy.write_text("{}")
    checked = docs(layers, "--check")
    assert checked.code == 6
    assert str(copy) in checked.err
    assert docs(layers).code == 0
    assert copy.read_bytes() == sbom_of("1.0 py3.12-x86_64")


def test_a_release_without_sboms_has_no_link(layers: Layers) -> None:
    folder = build(layers, "1.0")
    for path in folder.glob("*.cdx.json"):
        path.unlink()
    publish(layers, folder)
    assert docs(layers).code == 0
    index = json.loads((layers.folder / "docs" / "layers.json").read_text())
    assert {made["sbom_path"] for made in index["releases"][0]["targets"]} == {None}
    assert not (layers.folder / "docs" / "sbom").exists()


def test_an_sbom_that_was_changed_in_the_ledger_is_refused(layers: Layers) -> None:
    publish(layers, build(layers, "1.0"))
    (Path(layers.ledger) / "sbom" / "0001" / f"{X86}.cdx.json").write_text("{}")
    ended = docs(layers)
    assert ended.code == 3
    assert f"sbom/0001/{X86}.cdx.json: this SBOM's sha256 is" in ended.err
    assert not (layers.folder / "docs" / "layers.json").exists()


def test_a_ledger_in_a_bucket_keeps_sboms(sandbox: Sandbox, shared: Layers) -> None:
    assert publish(shared, build(shared, "1.0")).code == 0
    ledger = BucketLedger(shared.ledger, shared.matrix)
    assert ledger.sboms() == {f"0001/{X86}.cdx.json", f"0001/{ARM}.cdx.json"}
    assert [release.layer_version for release in ledger.releases()] == [1]
    assert docs(shared).code == 0
    copy = shared.folder / "docs" / "sbom" / "0001" / f"{X86}.cdx.json"
    assert copy.read_bytes() == sbom_of("1.0 py3.12-x86_64")
    assert docs(shared, "--check").code == 0


def test_a_record_of_an_older_format_can_be_read(layers: Layers) -> None:
    publish(layers, build(layers, "1.0"))
    record = Path(layers.ledger) / "0001.json"
    old = json.loads(record.read_text())
    for made in old["targets"]:
        del made["cold_start"]
    record.write_text(json.dumps(old))
    assert layers("audit").code == 0
    assert docs(layers).code == 0
    page = (layers.folder / "docs" / "index.html").read_text()
    assert '"start"' not in page.split('id="data">')[1]
