"""What a smoke's handlers tell of their process."""

import sys


def facts() -> dict[str, object]:
    """The Python that runs, and the most memory that it had, in bytes."""
    return {"python": sys.version.split()[0], "peak_memory": peak_memory()}


def peak_memory() -> "int | None":
    # Not getrusage: its maximum is inherited from the process that started this one.
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as status:  # noqa: PTH123
            for line in status:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return None
