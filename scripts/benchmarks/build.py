"""The guide's recipe against `layers build`, in turn within one run, for every target of the matrix.

- recipe: `pip install --platform … -t python` and `zip -r`, one target after the other, as the guide says
- cold: `layers build` of all targets with the project's cache empty and downloads cached
- warm: the same again with nothing changed

A machine is not equally quick at all times. So a cold build comes before, amid and after the recipe's targets, and the
median of the cold builds counts. For each: time, processor time, peak memory of the largest process, sizes; and how
long `from strands import Agent` takes from the unpacked layers, cold (a new process each, no bytecode written), for the
targets that this machine can run. Downloads of both are made before the measuring.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from builder.bytecode.interpreters import search
from builder.model.artifact import read_manifest
from builder.model.matrix import Matrix
from builder.model.matrix_file import load_matrix
from builder.model.target import Target
from builder.resolve.resolver import newest

Figures = dict[str, Any]
ROOT = Path(__file__).parents[2]


def main() -> None:
    """Measure and print a table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--matrix", type=Path, default=ROOT / "layer_matrix.yaml")
    parser.add_argument("--version", help="default: the newest")
    parser.add_argument("--import", dest="statement", default="from strands import Agent")
    parser.add_argument("--repeat", type=int, default=5, help="imports for each figure (the median counts)")
    options = parser.parse_args()
    matrix = load_matrix(options.matrix)
    version = options.version or newest(matrix)
    with tempfile.TemporaryDirectory(prefix="bench-build-") as name:
        results = measure(matrix, options.matrix, version, Path(name), options.statement, options.repeat)
    print(json.dumps(results, indent=2) if options.json else table(results))


def measure(matrix: Matrix, path: Path, version: str, work: Path, statement: str, repeat: int) -> Figures:
    """All figures of one run."""
    say(f"{matrix.package} {version}: downloading what both need")
    for target in matrix.targets:
        recipe(matrix, version, target, work / "downloads" / target.id)
    layers = [sys.executable, "-c", "from publisher.cli import main; main()", "--matrix", str(path.absolute())]
    build = [*layers, "build", "--version", version, "--output"]
    run([*build, str(work / "first")], cache=work / "cache-first")
    shutil.rmtree(work / "downloads")

    cold: list[Figures] = []
    recipes: list[Figures] = []

    def build_cold() -> None:
        say(f"layers build, cold, {len(cold) + 1} of 3")
        shutil.rmtree(work / "cache", ignore_errors=True)
        shutil.rmtree(work / "ours", ignore_errors=True)
        cold.append(run([*build, str(work / "ours")], cache=work / "cache"))

    build_cold()
    half = len(matrix.targets) // 2
    for part in (matrix.targets[:half], matrix.targets[half:]):
        say(f"the recipe for {len(part)} targets")
        recipes += (recipe(matrix, version, target, work / "recipe" / target.id) for target in part)
        build_cold()
    warm = run([*build, str(work / "ours")], cache=work / "cache")
    whole, median = together(recipes), sorted(cold, key=lambda figures: figures["seconds"])[len(cold) // 2]
    return {
        "package": matrix.package,
        "version": version,
        "cores": os.cpu_count(),
        "recipe": whole,
        "cold": median,
        "cold_runs": cold,
        "warm": warm,
        "ratio": round(whole["seconds"] / median["seconds"], 1),
        "cpu_ratio": round(whole["cpu_seconds"] / median["cpu_seconds"], 1),
        "targets": [of_target(target, work, statement, repeat) for target in matrix.targets],
    }


def recipe(matrix: Matrix, version: str, target: Target, folder: Path) -> Figures:
    """What the guide tells people to do for one target."""
    platforms = [f"manylinux2014_{target.architecture}", f"manylinux_2_17_{target.architecture}"]
    if target.runtime.glibc >= (2, 28):
        platforms.append(f"manylinux_2_28_{target.architecture}")
    command = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--python-version"]
    command += [target.python, "--implementation", "cp", "--only-binary=:all:", "-t", str(folder / "python")]
    command += [option for name in platforms for option in ("--platform", name)]
    installed = run([*command, f"{matrix.requirement}=={version}", *matrix.requirements])
    zipped = shutil.which("zip")
    if zipped is None:
        sys.exit("the recipe needs the program `zip`")
    return together([installed, run([zipped, "-qr", "layer.zip", "python"], folder=folder)])


def run(command: Sequence[str], *, folder: Path | None = None, cache: Path | None = None) -> Figures:
    """Run a command, ours with this cache, and measure it."""
    environment = {**os.environ, "LAYERS_CACHE_DIR": str(cache), "PYTHONPATH": str(ROOT)} if cache else None
    with tempfile.TemporaryFile() as said:
        started = time.monotonic()
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=said, stderr=said)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            said.seek(0)
            sys.exit(said.read().decode(errors="replace"))
    return {
        "seconds": round(seconds, 2),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 2),
        "peak_mb": round(usage.ru_maxrss / (1024 if sys.platform != "darwin" else 1 << 20)),
    }


def together(parts: Sequence[Figures]) -> Figures:
    """The figures of commands that ran one after the other."""
    return {
        "seconds": round(sum(part["seconds"] for part in parts), 2),
        "cpu_seconds": round(sum(part["cpu_seconds"] for part in parts), 2),
        "peak_mb": max(part["peak_mb"] for part in parts),
    }


def of_target(target: Target, work: Path, statement: str, repeat: int) -> Figures:
    """Sizes and import times of one target."""
    manifest = read_manifest(work / "ours")
    artifact = next(a for a in manifest.artifacts if a.target == target.id)
    theirs = work / "recipe" / target.id / "layer.zip"
    with zipfile.ZipFile(theirs) as archive:
        unzipped = sum(entry.file_size for entry in archive.infolist())
    figures: Figures = {
        "target": target.id,
        "recipe": {"size": theirs.stat().st_size, "unzipped_size": unzipped},
        "ours": {"size": artifact.size, "unzipped_size": artifact.unzipped_size},
    }
    found = search(target.python)
    if found is None or platform.machine() != str(target.architecture):
        return figures
    for name, path in (("recipe", theirs), ("ours", work / "ours" / artifact.file)):
        with tempfile.TemporaryDirectory(dir=work) as folder, zipfile.ZipFile(path) as archive:
            archive.extractall(folder)
            times = [imported(found.path, Path(folder) / "python", statement) for _ in range(repeat)]
        figures[name]["import_seconds"] = round(statistics.median(times), 3)
    figures["import_ratio"] = round(figures["ours"]["import_seconds"] / figures["recipe"]["import_seconds"], 2)
    return figures


def imported(python: Path, folder: Path, statement: str) -> float:
    """Seconds that the import takes in a new process, as Lambda has it: the layer cannot be written to."""
    code = f"import time; start = time.perf_counter(); {statement}; print(time.perf_counter() - start)"
    environment = {"PYTHONPATH": str(folder), "PATH": os.environ["PATH"]}
    command = [str(python), "-s", "-B", "-W", "ignore", "-c", code]
    return float(subprocess.run(command, env=environment, capture_output=True, check=True).stdout)


def table(results: Figures) -> str:
    """The figures for people."""
    lines = [
        f"{results['package']} {results['version']}, {len(results['targets'])} targets, {results['cores']} cores",
        "",
    ]
    lines.append(f"{'':8}{'time':>10}{'processor':>12}{'memory':>11}")
    for name in ("recipe", "cold", "warm"):
        each = results[name]
        lines.append(f"{name:8}{each['seconds']:>8.1f} s{each['cpu_seconds']:>10.1f} s{each['peak_mb']:>8} MB")
    lines.append("cold builds: " + ", ".join(f"{each['seconds']:.1f} s" for each in results["cold_runs"]))
    lines.append(
        f"the recipe takes {results['ratio']} times as long as a cold build, {results['cpu_ratio']} of processor time"
    )
    lines.append("")
    lines.append(f"{'target':16}{'zip':>18}{'unzipped':>20}{'import':>22}")
    for each in results["targets"]:
        one, two = each["recipe"], each["ours"]
        row = f"{each['target']:16}"
        row += f"{one['size'] / 1048576:>8.1f} → {two['size'] / 1048576:.1f} MB"
        row += f"{one['unzipped_size'] / 1048576:>9.1f} → {two['unzipped_size'] / 1048576:.1f} MB"
        if "import_ratio" in each:
            row += f"{one['import_seconds']:>8.2f} → {two['import_seconds']:.2f} s ({each['import_ratio']:.0%})"
        lines.append(row)
    return "\n".join(lines)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
