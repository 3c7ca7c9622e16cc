"""Build layers of other packages: are the bytes the same without and with the cache, and is the memory bounded?

For each package, for two Pythons and both architectures: a cold build, a build into another folder that takes every
wheel from the cache, and a build with an empty cache again. All three must give the same zips. Downloads are cached
before.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

import yaml

from builder.model.artifact import read_manifest
from scripts.benchmarks.commands import Figures, log, run_layers, use_one_index

PACKAGES = ("pandas", "pydantic", "cryptography")
MAX_PEAK_MB = 400


def main() -> None:
    """Measure and print a table, or JSON. Exit with 1 if bytes differ or a build needs too much memory."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("packages", nargs="*", default=PACKAGES)
    options = parser.parse_args()
    use_one_index()
    results = {package: measure(package) for package in options.packages}
    print(json.dumps(results, indent=2) if options.json else table(results))
    if any(not each["same_bytes"] or each["peak_mb"] > MAX_PEAK_MB for each in results.values()):
        sys.exit(1)


def measure(package: str) -> Figures:
    """Build one package's layers in three ways."""
    log(package)
    with tempfile.TemporaryDirectory(prefix="bench-payloads-") as name:
        work = Path(name)
        matrix = {
            "account": "123456789012",
            "package": package,
            "python": ["3.12", "3.13"],
            "architectures": ["x86_64", "aarch64"],
            "regions": ["us-east-1"],
            "staging": {"bucket": "zips", "home": "us-east-1"},  # so that a zip may be larger than a request
        }
        (work / "matrix.yaml").write_text(yaml.safe_dump(matrix))
        command = ["--matrix", str(work / "matrix.yaml"), "--ledger", str(work / "ledger"), "build"]
        builds = {"download": "first", "cold": "one", "cached": "one", "again": "two"}
        figures = {
            output: run_layers(
                [*command, "--version", "latest", "--output", str(work / output)], work / "cache" / cache
            )
            for output, cache in builds.items()
        }
        manifests = [read_manifest(work / output) for output in builds]
    return {
        "version": manifests[0].version,
        "zipped_mb": round(sum(each.size for each in manifests[0].artifacts) / 1e6, 1),
        "cold_cpu_seconds": figures["cold"]["cpu_seconds"],
        "cached_cpu_seconds": figures["cached"]["cpu_seconds"],
        "peak_mb": max(each["peak_mb"] for each in figures.values()),
        "same_bytes": all(each.artifacts == manifests[0].artifacts for each in manifests),
    }


def table(results: dict[str, Figures]) -> str:
    """Format the figures as a table."""
    rows = [f"{'four zips of':24}{'zipped':>10}{'cold':>10}{'cached':>10}{'memory':>9}  same bytes"]
    for package, each in results.items():
        row = f"{package + ' ' + each['version']:24}{each['zipped_mb']:>7} MB{each['cold_cpu_seconds']:>8} s"
        row += f"{each['cached_cpu_seconds']:>8} s{each['peak_mb']:>6} MB"
        rows.append(f"{row}  {'yes' if each['same_bytes'] else 'NO'}")
    return "\n".join([*rows, "cold and cached: processor time of all targets"])
