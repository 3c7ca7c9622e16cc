"""Compare `layers build` with two alternatives in one run, for every target of the matrix.

- recipe: `pip install --platform … -t python` and `zip -r`, one target after the other, as the guide says
- uv: `uv pip install --target`, `compileall` with the target's Python and `zip -r`, one target per core in parallel
- cold: `layers build` of all targets with the project's cache empty and downloads cached
- next: the same for the next release, in which only the package's own wheel differs
- unchanged: the same again with nothing changed
- package: `layers package` for one target after one changed requirement

Settings of pip and uv that only one of them would use (find-links, further indexes, constraints) are removed. The index
of pip's settings serves all. uv caches pages as long as PyPI allows, also behind a proxy that drops its headers.
Modules are compiled at the first use, as after an installation with pip.

The speed of a machine varies. So cold builds run before, between and after the alternatives, and their median counts.
Measured are wall time, CPU time, peak memory of the largest process, sizes, and the import time from the unpacked
layers in a new process, for targets that this machine can run. Downloads happen before the measurement.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import uv

from builder.bytecode.interpreters import find, search
from builder.cache.store import Cache
from builder.model.artifact import Manifest, read_manifest
from builder.model.matrix import Matrix
from builder.model.matrix_file import load_matrix
from builder.model.progress import Quiet
from builder.model.target import Target
from builder.pipeline.build import build
from builder.resolve.resolver import LockInput, newest_resolvable, resolve_requirements
from builder.resolve.uv import cache_settings, platform_options
from scripts.benchmarks.commands import ROOT, Figures, log, run, run_layers, together, use_one_index

PEERS = ("recipe", "uv")


def main() -> None:
    """Measure and print a table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--matrix", type=Path, default=ROOT / "layer_matrix.yaml")
    parser.add_argument("--version", help="default: the newest")
    parser.add_argument("--import", dest="statement", default="from strands import Agent")
    parser.add_argument("--repeat", type=int, default=5, help="imports for each figure (the median counts)")
    parser.add_argument(
        "--peers", default=",".join(PEERS), help="alternatives to measure: recipe,uv (the default) or one"
    )
    options = parser.parse_args()
    use_one_index()
    matrix = load_matrix(options.matrix)
    version = options.version or newest_resolvable(matrix)
    with tempfile.TemporaryDirectory(prefix="bench-build-") as name:
        bench = Bench(matrix, options.matrix.absolute(), version, Path(name))
        results = bench.measure([peer for peer in PEERS if peer in options.peers.split(",")])
        results["targets"] = [
            of_target(target, Path(name), options.statement, options.repeat) for target in matrix.targets
        ]
    print(json.dumps(results, indent=2) if options.json else table(results))


class Bench:
    """One run of the benchmark. ``work`` has a folder for the zips of each alternative and of this program."""

    def __init__(self, matrix: Matrix, path: Path, version: str, work: Path) -> None:
        self.matrix, self.path, self.version, self.work = matrix, path, version, work

    def measure(self, peers: Sequence[str]) -> Figures:
        """Return all figures except those of single targets."""
        log(f"{self.matrix.package} {self.version}: downloading what is needed")
        (self.work / "uv.toml").write_text(cache_settings())
        self.build("first", cache="cache-first")
        recipes: dict[str, Callable[[Target, Path], Figures]] = {"recipe": self.recipe, "uv": self.uv_recipe}
        for peer in peers:
            for target in self.matrix.targets:
                recipes[peer](target, self.work / "downloads" / target.id)
        shutil.rmtree(self.work / "downloads", ignore_errors=True)
        self.fill_cache_for_next(read_manifest(self.work / "first"), Cache(self.work / "cache-next"))

        cold = [self.build_cold()]
        parts: dict[str, list[Figures]] = {peer: [] for peer in peers}
        half = len(self.matrix.targets) // 2
        for targets in (self.matrix.targets[:half], self.matrix.targets[half:]):
            for peer in peers:
                log(f"{peer}: {len(targets)} targets")
                at_once = 1 if peer == "recipe" else os.cpu_count() or 1
                parts[peer].append(self.targets(recipes[peer], targets, self.work / peer, at_once))
            cold.append(self.build_cold())
        log("layers build, unchanged and next; layers package")
        results = {
            **{peer: together(figures) for peer, figures in parts.items()},
            "cold": sorted(cold, key=lambda figures: figures["seconds"])[len(cold) // 2],
            "next": self.build("next", cache="cache-next"),
            "unchanged": self.build("ours", cache="cache"),
            "package": self.package(),
        }
        return {
            "package": self.matrix.package,
            "version": self.version,
            "cores": os.cpu_count(),
            "figures": results,
            "cold_runs": cold,
            "ratios": {name: ratio(figures, results["cold"]) for name, figures in results.items()},
        }

    def build(self, output: str, *, cache: str) -> Figures:
        """Run `layers build` with a cache."""
        command = ["--matrix", str(self.path), "build", "--version", self.version]
        return run_layers([*command, "--output", str(self.work / output)], self.work / cache)

    def build_cold(self) -> Figures:
        """Run `layers build` with an empty cache."""
        log("layers build, cold")
        for name in ("cache", "ours"):
            shutil.rmtree(self.work / name, ignore_errors=True)
        return self.build("ours", cache="cache")

    def fill_cache_for_next(self, manifest: Manifest, cache: Cache) -> None:
        """Fill a cache as a build of the previous version does in which only the package's own wheel differs."""
        matrix, locks = self.matrix, {}
        for target in matrix.targets:
            before = resolve_requirements(LockInput((f"{matrix.requirement}<{self.version}",)), target)
            previous = next(each for each in before if each.name == matrix.package)
            artifact = manifest.artifact(target.id)
            assert artifact is not None  # noqa: S101 - just built
            locks[target.id] = tuple(previous if each.name == matrix.package else each for each in artifact.lock)
        # In a separate process: the memory of this one counts in the peak of each command that it starts.
        arguments = (matrix, previous.version, matrix.targets, self.work / "previous", Quiet())
        process = multiprocessing.get_context("spawn").Process(
            target=build, args=arguments, kwargs={"lock": locks, "cache": cache}
        )
        process.start()
        process.join()
        if process.exitcode != 0:
            sys.exit("the build of the previous version failed")

    def package(self) -> Figures:
        """Run `layers package` after the pin of one package changed."""
        app = self.work / "app"
        app.mkdir()
        figures: Figures = {}
        for pin in ("six==1.16.0", "six==1.17.0"):
            (app / "requirements.txt").write_text(f"{self.matrix.requirement}=={self.version}\n{pin}\n")
            command = ["package", str(app), "--python", self.matrix.python[-1], "--arch", "x86_64"]
            figures = run_layers([*command, "--output", str(self.work / "packaged")], self.work / "cache-package")
        return figures

    def targets(
        self, work: Callable[[Target, Path], Figures], targets: Sequence[Target], folder: Path, at_once: int
    ) -> Figures:
        """Run an alternative for these targets, ``at_once`` in parallel."""
        started = time.monotonic()
        with ThreadPoolExecutor(at_once) as pool:
            parts = list(pool.map(lambda target: work(target, folder / target.id), targets))
        return {**together(parts), "seconds": round(time.monotonic() - started, 2)}

    def recipe(self, target: Target, folder: Path) -> Figures:
        """Run the guide's recipe for one target."""
        platforms = [f"manylinux2014_{target.architecture}", f"manylinux_2_17_{target.architecture}"]
        if target.runtime.glibc >= (2, 28):
            platforms.append(f"manylinux_2_28_{target.architecture}")
        command = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--python-version"]
        command += [target.python, "--implementation", "cp", "--only-binary=:all:", "-t", str(folder / "python")]
        command += [option for name in platforms for option in ("--platform", name)]
        return together([run([*command, *self.requirements()]), zip_folder(folder)])

    def uv_recipe(self, target: Target, folder: Path) -> Figures:
        """Run the uv recipe for one target."""
        place = str(folder / "python")
        command = [uv.find_uv_bin(), "pip", "install", "-q", "--target", place, *platform_options(target)]
        variables = {"UV_CONFIG_FILE": str(self.work / "uv.toml")}
        installed = run([*command, *self.requirements()], variables=variables)
        compiled = run([str(find(target.python).path), "-m", "compileall", "-q", place], may_fail=True)
        return together([installed, compiled, zip_folder(folder)])

    def requirements(self) -> list[str]:
        return [f"{self.matrix.requirement}=={self.version}", *self.matrix.requirements]


def zip_folder(folder: Path) -> Figures:
    zipped = shutil.which("zip")
    if zipped is None:
        sys.exit("the peers need the program `zip`")
    return run([zipped, "-qr", "layer.zip", "python"], folder=folder)


def ratio(figures: Figures, cold: Figures) -> Figures:
    """Return wall and CPU time relative to a cold build."""
    return {key: round(figures[key] / cold[key], 2) for key in ("seconds", "cpu_seconds")}


def of_target(target: Target, work: Path, statement: str, repeat: int) -> Figures:
    """Return sizes and import times of one target's zips."""
    manifest = read_manifest(work / "ours")
    zip_file = next(work / "ours" / artifact.file for artifact in manifest.artifacts if artifact.target == target.id)
    paths = {"ours": zip_file, **{peer: work / peer / target.id / "layer.zip" for peer in PEERS}}
    figures: Figures = {"target": target.id}
    interpreter = search(target.python) if platform.machine() == str(target.architecture) else None
    for name, path in paths.items():
        if not path.exists():
            continue
        with tempfile.TemporaryDirectory(dir=work) as folder, zipfile.ZipFile(path) as archive:
            unzipped = sum(entry.file_size for entry in archive.infolist())
            figures[name] = {"size": path.stat().st_size, "unzipped_size": unzipped}
            if interpreter is not None:
                archive.extractall(folder)
                times = [imported(interpreter.path, Path(folder) / "python", statement) for _ in range(repeat)]
                figures[name]["import_seconds"] = round(statistics.median(times), 3)
    return figures


def imported(python: Path, folder: Path, statement: str) -> float:
    """Return the seconds of the import in a new process, with a read-only layer as in Lambda."""
    code = f"import time; start = time.perf_counter(); {statement}; print(time.perf_counter() - start)"
    environment = {"PYTHONPATH": str(folder), "PATH": os.environ["PATH"]}
    command = [str(python), "-s", "-B", "-W", "ignore", "-c", code]
    return float(subprocess.run(command, env=environment, capture_output=True, check=True).stdout)


def table(results: Figures) -> str:
    """Format the figures as a table."""
    lines = [
        f"{results['package']} {results['version']}, {len(results['targets'])} targets, {results['cores']} cores",
        "",
        f"{'':10}{'time':>10}{'processor':>12}{'memory':>11}   of a cold build: time, processor",
    ]
    for name, each in results["figures"].items():
        part = results["ratios"][name]
        row = f"{name:10}{each['seconds']:>8.1f} s{each['cpu_seconds']:>10.1f} s{each['peak_mb']:>8} MB"
        lines.append(f"{row}{part['seconds']:>20.2f}{part['cpu_seconds']:>8.2f}")
    lines.append("cold builds: " + ", ".join(f"{each['seconds']:.1f} s" for each in results["cold_runs"]))
    lines += ["", f"{'target':16}{'':8}{'zip':>10}{'unzipped':>12}{'import':>9}"]
    for each in results["targets"]:
        for name in (name for name in ("ours", *PEERS) if name in each):
            figures = each[name]
            sizes = f"{figures['size'] / 1048576:>7.1f} MB{figures['unzipped_size'] / 1048576:>9.1f} MB"
            seconds = f"{figures['import_seconds']:>7.2f} s" if "import_seconds" in figures else ""
            lines.append(f"{each['target']:16}{name:8}{sizes}{seconds}")
    return "\n".join(lines)
