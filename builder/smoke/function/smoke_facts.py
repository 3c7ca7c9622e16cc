"""What a smoke's handlers report about their process."""

import sys


def facts() -> dict[str, object]:
    """Return the Python that runs, and the most memory that the process had, in bytes."""
    return {"python": sys.version.split()[0], "peak_memory": peak_memory()}


def peak_memory() -> "int | None":
    """Return the most memory in bytes, or None. getrusage would count the parent process before exec too."""
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as status:  # noqa: PTH123
            for line in status:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return None
