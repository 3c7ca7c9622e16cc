"""The command group: what it imports."""

from __future__ import annotations

import subprocess
import sys

from publisher.cli.group import COMMANDS

#: Libraries that take longer to import than all of a usage error may take.
SLOW = ("boto3", "botocore", "jinja2", "packaging", "pydantic", "rich", "yaml")


def test_help_and_usage_errors_of_every_command_import_no_slow_library() -> None:
    imports = "; ".join(f"import publisher.cli.{command}" for command in COMMANDS)
    script = f"import sys; {imports}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert not {*SLOW} & {*loaded}
