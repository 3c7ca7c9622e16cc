"""``layers build`` and ``layers cache`` as a user runs them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from builder.model.cold_start import ColdStart
from builder.model.errors import BuildError, InputError, UsageError
from builder.smoke.smoke_test import SmokeReport
from publisher.cli.budget_options import refuse_slow_imports
from publisher.cli.group import Settings, layers
from publisher.ledger.release import Release, TargetRecord
from tests import REPOSITORY
from tests.fakes.wheels import make_wheel

MATRIX = """
account: "123456789012"
package: demo
python: ["3.12"]
architectures: [x86_64]
regions: [us-east-1]
"""


@pytest.fixture
def run(tmp_path: Path, index: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "layer_matrix.yaml").write_text(MATRIX)
    make_wheel(index, "demo", requires=("needed-by-demo",))
    make_wheel(index, "needed_by_demo")

    def call(*arguments: str):  # type: ignore[no-untyped-def]
        result = CliRunner().invoke(layers, arguments)
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return call


def record(folder: Path, manifest: dict[str, Any], *, import_seconds: float | None = None) -> None:
    (target,) = manifest["artifacts"]
    wanted = ("python", "architecture", "layer_name", "sha256", "lock", "size", "unzipped_size")
    started = import_seconds and ColdStart(
        import_seconds=import_seconds, ready_seconds=1, first_seconds=1, second_seconds=1, peak_memory=None,
        interpreter="3.12.1", machine="x86_64", processor=None, starts=1,
    )  # fmt: skip
    release = Release(
        account="123456789012", package="demo", layer_name="{package}-py{python}-{architecture}", version="1.0",
        layer_version=1, begun="2026-01-01T00:00:00Z",  # type: ignore[arg-type]
        targets=(TargetRecord.model_validate({**{key: target[key] for key in wanted}, "cold_start": started}),),
    )  # fmt: skip
    from publisher.ledger.folder import file_name, record_bytes

    folder.mkdir()
    (folder / file_name(1)).write_bytes(record_bytes(release))


def test_json_is_the_manifest(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    result = run("build", "--version", "1.0", "--json")
    assert json.loads(result.stdout) == json.loads((tmp_path / "dist" / "manifest.json").read_text())


def test_locked_installs_what_the_ledger_records(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    first = json.loads(run("build", "--version", "1.0", "--json").stdout)
    record(tmp_path / "ledger", first)
    make_wheel(tmp_path / "index", "needed_by_demo", "1.1")
    newer = run("build", "--version", "1.0", "--json", "--output", "newer")
    assert "~ needed-by-demo 1.0 → 1.1" in newer.stderr
    again = run("build", "--version", "1.0", "--json", "--output", "again", "--locked")
    assert json.loads(again.stdout)["artifacts"][0]["lock"] == first["artifacts"][0]["lock"]
    assert json.loads(again.stdout)["artifacts"][0]["sha256"] == first["artifacts"][0]["sha256"]
    assert "no change" in again.stderr


def test_locked_without_a_release_is_refused(run) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match=r"no release of 1\.0"):
        run("build", "--version", "1.0", "--locked")


def test_a_damaged_ledger_stops_only_a_locked_build(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "ledger").mkdir()
    (tmp_path / "ledger" / "1.json").write_text("{")
    (tmp_path / "ledger" / "0001.json").write_text("{")
    assert "not shown" in run("build", "--version", "1.0").stderr
    with pytest.raises(InputError):
        run("build", "--version", "1.0", "--locked")


def test_an_invalid_cut_off_date_is_refused(run) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match="not a date, time or age"):
        run("build", "--version", "1.0", "--exclude-newer", "blah")
    with pytest.raises(UsageError):
        run("build", "--version", "1.0", "--exclude-newer", "7 days", "--locked")


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        ("100", ["bytes zipped; 100 allows 100"]),
        ("zipped=1KB", ["bytes zipped; 1KB allows 1,024"]),
        ("unzipped=0.5 KB", ["bytes unzipped; 0.5 KB allows 512"]),
        ("+10%", ["bytes zipped; +10% allows", "the last release has"]),
        ("unzipped=+10%", ["bytes unzipped; +10% allows", "the last release has"]),
    ],
)
def test_a_zip_above_the_budget_fails_the_build(  # type: ignore[no-untyped-def]
    limit: str, words: list[str], run, tmp_path: Path
) -> None:
    record(tmp_path / "ledger", json.loads(run("build", "--version", "1.0", "--json").stdout))
    noise = os.urandom(5000)
    make_wheel(tmp_path / "index", "demo", "1.1", {"demo/noise": noise}, requires=("needed-by-demo",))
    with pytest.raises(BuildError) as caught:
        run("build", "--version", "1.1", "--output", "out", "--max-size", limit)
    assert all(word in str(caught.value) for word in ("py3.12-x86_64", *words)), str(caught.value)
    assert list((tmp_path / "out").iterdir()) == []
    run("build", "--version", "1.1", "--output", "out", "--max-size", "1 MB", "--max-size", "unzipped=+9000%")
    # The budget applies to unchanged zips too.
    with pytest.raises(BuildError, match="larger than the budget"):
        run("build", "--version", "1.1", "--output", "out", "--max-size", limit)


def test_the_budget_of_the_matrix_applies_until_an_option_replaces_it(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "layer_matrix.yaml").write_text(f"{MATRIX}budget: {{zipped: 1 KB, unzipped: +1%}}\n")
    with pytest.raises(BuildError, match="1 KB allows 1,024") as caught:
        run("build", "--version", "1.0")
    assert caught.value.exit_code == 4
    assert "unzipped" not in str(caught.value).splitlines()[1]  # there is no last release to compare with
    run("build", "--version", "1.0", "--max-size", "10 KB")  # replaces the budget of the matrix


@pytest.mark.parametrize("limit", ["big", "zip=1MB", "import_time=1 s", "1 s", "0", "-5 MB", "+x%"])
def test_an_invalid_size_limit_is_refused(limit: str, run) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match="--max-size"):
        run("build", "--version", "1.0", "--max-size", limit)


def test_an_import_slower_than_the_budget_fails_the_smoke(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "layer_matrix.yaml").write_text(f"{MATRIX}budget: {{import_time: +50%}}\n")
    settings = Settings(tmp_path / "layer_matrix.yaml", str(tmp_path / "ledger"))

    def smoke(seconds: float, *, emulated: bool = False) -> SmokeReport:
        return SmokeReport("a.zip", "py3.12-x86_64", "proven", "0" * 64, import_seconds=seconds, emulated=emulated)

    def check(reports: list[SmokeReport]) -> None:
        refuse_slow_imports(settings, reports, settings.ledger(settings.matrix()).releases())

    check([smoke(99)])  # no last release: a relative budget allows everything
    record(tmp_path / "ledger", json.loads(run("build", "--version", "1.0", "--json").stdout), import_seconds=0.8)
    check([smoke(1.19), smoke(99, emulated=True)])
    with pytest.raises(BuildError, match=r"a\.zip: 1\.21 s; \+50% allows 1\.20 s"):
        check([smoke(1.21)])
    (tmp_path / "layer_matrix.yaml").write_text(f"{MATRIX}budget: {{import_time: 500 ms}}\n")
    with pytest.raises(BuildError, match=r"500 ms allows 0\.50 s"):
        check([smoke(0.51)])
    (tmp_path / "layer_matrix.yaml").unlink()
    refuse_slow_imports(settings, [smoke(99)], ())  # without a matrix there is no budget


def test_cache_shows_and_cleans_the_folder(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    run("build", "--version", "1.0")
    assert json.loads(run("cache", "--json").stdout)["size"] > 1000
    files = sum(path.is_file() for path in (tmp_path / "cache").rglob("*"))
    assert f"deleted {files} files, " in run("cache", "clean").stdout
    assert json.loads(run("cache", "clean", "--json").stdout)["size"] == 0
    assert str(tmp_path / "cache") in run("cache").stdout


#: Background processes ignore SIGINT, and their children inherit that.
START = """import signal; signal.signal(signal.SIGINT, signal.default_int_handler)
from publisher.cli import main; main()"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_build_leaves_no_files(run, tmp_path: Path, number: signal.Signals, code: int) -> None:  # type: ignore[no-untyped-def]
    source = "".join(f"def f{n}(a, b={n}):\n    return a + b\n" for n in range(200))
    make_wheel(tmp_path / "index", "demo", "2.0", {f"demo/m{n}.py": f"{source}\n{n}\n" for n in range(600)})
    process = subprocess.Popen(
        [sys.executable, "-c", START, "build", "--version", "2.0"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(REPOSITORY)}, text=True,
        stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    assert process.stderr is not None
    with process.stderr:
        assert any("1 package" in line for line in process.stderr)  # begun
        os.killpg(process.pid, number) if number is signal.SIGINT else process.send_signal(number)
        assert process.wait(timeout=60) == code
    assert list((tmp_path / "dist").iterdir()) == []
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
