"""Facts about the process, for the results of the handlers."""

import sys


def facts() -> dict[str, object]:
    """Return the Python version and the peak memory of the process in bytes."""
    return {"python": sys.version.split()[0], "peak_memory": peak_memory()}


def peak_memory() -> "int | None":
    """Return the peak memory in bytes, or None. getrusage would include the parent process before exec."""
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as status:  # noqa: PTH123
            for line in status:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return None
