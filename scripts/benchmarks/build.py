"""The guide's recipe against `layers build`, side by side in one run, for every target of the matrix.

- recipe: `pip install --platform … -t python` and `zip -r`, one target after the other, as the guide says
- cold: `layers build` with the project's cache empty and downloads cached
- warm: the same again with nothing changed

For each: time, processor time, peak memory of the largest process, sizes; and how long `from strands import Agent`
takes from the unpacked layers, cold (a new process each, no bytecode written), for the targets that this machine can
run. Downloads of both are made before the measuring.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
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

from builder.artifact import read_manifest
from builder.interpreters import search
from builder.matrix import Matrix, Target, load_matrix
from builder.resolve import newest

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
    build = [sys.executable, "-c", "from publisher.cli import main; main()", "--matrix", str(path.absolute()), "build"]
    build += ["--version", version, "--output"]
    run([*build, str(work / "first")], work / "cache0")
    shutil.rmtree(work / "downloads")

    say("the recipe")
    before = Usage()
    for target in matrix.targets:
        recipe(matrix, version, target, work / "recipe" / target.id)
    recipe_figures = before.until_now()
    say("layers build, cold and warm")
    before = Usage()
    run([*build, str(work / "ours")], work / "cache")
    cold = before.until_now()
    before = Usage()
    run([*build, str(work / "ours")], work / "cache")
    warm = before.until_now()
    return {
        "package": matrix.package,
        "version": version,
        "cores": os.cpu_count(),
        "recipe": recipe_figures,
        "cold": cold,
        "warm": warm,
        "ratio": round(recipe_figures["seconds"] / cold["seconds"], 1),
        "targets": [of_target(target, work, statement, repeat) for target in matrix.targets],
    }


def recipe(matrix: Matrix, version: str, target: Target, folder: Path) -> None:
    """What the guide tells people to do for one target."""
    platforms = [f"manylinux2014_{target.architecture}", f"manylinux_2_17_{target.architecture}"]
    if target.runtime.glibc >= (2, 28):
        platforms.append(f"manylinux_2_28_{target.architecture}")
    command = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--python-version"]
    command += [target.python, "--implementation", "cp", "--only-binary=:all:", "-t", str(folder / "python")]
    command += [option for name in platforms for option in ("--platform", name)]
    subprocess.run([*command, f"{matrix.requirement}=={version}", *matrix.requirements], check=True)
    zipped = shutil.which("zip")
    if zipped is None:
        sys.exit("the recipe needs the program `zip`")
    subprocess.run([zipped, "-qr", "layer.zip", "python"], cwd=folder, check=True)


def run(command: Sequence[str], cache: Path) -> None:
    """Run our program with this cache."""
    environment = {**os.environ, "LAYERS_CACHE_DIR": str(cache), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(done.stderr)


class Usage:
    """Time and processor time of the children since it was made."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._cpu = self._children()

    def until_now(self) -> Figures:
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / (1024 if sys.platform != "darwin" else 1 << 20)
        seconds, cpu = time.monotonic() - self._started, self._children() - self._cpu
        return {"seconds": round(seconds, 2), "cpu_seconds": round(cpu, 2), "peak_mb_so_far": round(peak)}

    @staticmethod
    def _children() -> float:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime


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
    lines.append(f"{'':8}{'time':>10}{'processor':>12}")
    for name in ("recipe", "cold", "warm"):
        lines.append(f"{name:8}{results[name]['seconds']:>8.1f} s{results[name]['cpu_seconds']:>10.1f} s")
    lines += [f"the recipe takes {results['ratio']} times as long as a cold build", ""]
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
