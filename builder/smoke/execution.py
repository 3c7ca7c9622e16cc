"""Find out how this machine can run a target's Python: natively, with qemu-user, or not at all."""

from __future__ import annotations

import platform
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from builder.bytecode.interpreters import find, install, uv_python_folder
from builder.model.errors import LayersError
from builder.model.findings import dotted
from builder.model.runtimes import Architecture
from builder.model.selection import ARCHITECTURES
from builder.model.target import Target

#: Loads the libraries that Lambda has and layers rely on, and prints the machine of an emulated Python.
_PROBE = (
    "import ctypes, platform; ctypes.CDLL('libgcc_s.so.1'), ctypes.CDLL('libstdc++.so.6'); print(platform.machine())"
)


@dataclass(frozen=True)
class Machine:
    """The command that starts the target's Python here."""

    command: tuple[str, ...]
    emulated: bool = False


@dataclass(frozen=True)
class Unproven:
    """Why a target cannot be run here."""

    reason: str


def machine_for(target: Target, glibc: tuple[int, ...] | None) -> Machine | Unproven:
    """Return how to run the target on this machine. ``glibc``: the newest version that its binaries need."""
    if platform.system() != "Linux":
        return Unproven(f"a layer's binaries are for Linux, this machine runs {platform.system()}")
    is_native = ARCHITECTURES.get(platform.machine().lower()) is target.architecture
    return _native(target, glibc) if is_native else _find_emulator(target)


def _native(target: Target, glibc: tuple[int, ...] | None) -> Machine | Unproven:
    name, version = platform.libc_ver()
    if name != "glibc":
        return Unproven("a layer's binaries are for glibc, this machine has another C library")
    own_glibc = tuple(map(int, version.split(".")))
    if glibc and glibc > own_glibc:
        return Unproven(f"the layer needs glibc {dotted(glibc)}, this machine has {dotted(own_glibc)}")
    try:
        return Machine((str(find(target.python).path),))
    except LayersError as error:
        return Unproven(error.what)


def _find_emulator(target: Target) -> Machine | Unproven:
    """Return how to run it with qemu-user, uv's CPython for the other architecture and a C library for that."""
    architecture = target.architecture
    advice = f"this machine is {platform.machine()}; to run {architecture} code, install"
    qemu = shutil.which(f"qemu-{architecture}-static") or shutil.which(f"qemu-{architecture}")
    if qemu is None:
        return Unproven(f"{advice} qemu-user-static")
    python = _foreign_python(target)
    if python is None:
        return Unproven(f"{advice} a Python for it: uv python install cpython-{target.python}-linux-{architecture}-gnu")
    command = (qemu, "-L", f"/usr/{architecture}-linux-gnu", str(python))
    try:
        process = subprocess.run(
            [*command, "-I", "-S", "-c", _PROBE],
            capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError) as error:
        return Unproven(f"qemu does not run {python}: {error}")
    if process.returncode or str(architecture) not in process.stdout:
        reason = (process.stderr.strip().splitlines() or ["no output"])[-1]
        return Unproven(
            f"qemu does not run {python} with the libraries in /usr/{architecture}-linux-gnu: {reason} "
            f"(install Debian's libstdc++6-{'arm64' if architecture is Architecture.AARCH64 else 'amd64'}-cross)"
        )
    return Machine(command, emulated=True)


def _foreign_python(target: Target) -> Path | None:
    """Return uv's CPython for the other architecture; uv downloads it if it is not installed."""
    platform_tag = f"linux-{target.architecture}-gnu"
    pattern = f"cpython-{target.python}.*-{platform_tag}/bin/python{target.python}"
    found = max(uv_python_folder().glob(pattern), default=None)
    if found is None and install(f"cpython-{target.python}-{platform_tag}"):
        found = max(uv_python_folder().glob(pattern), default=None)
    return found
