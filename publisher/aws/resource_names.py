"""Name the program's own roles and functions in an account; all names of a package start with the same stem.

The templates of ``layers infra`` create the roles and allow the functions by these names; the commands use them.
"""

from __future__ import annotations

import hashlib

from packaging.utils import canonicalize_name

from builder.model.matrix import Matrix
from builder.model.target import Target

#: Names of roles and functions have at most 64 characters (IAM's and Lambda's quotas); a target's takes 22 of them.
NAME_LIMIT = 64
_STEM_LIMIT = 40


def stem(matrix: Matrix) -> str:
    """Return ``strands-agents-layers``; a long name is cut and gets a part of its hash, so that it stays unique."""
    name = f"{canonicalize_name(matrix.package)}-layers"
    if len(name) <= _STEM_LIMIT:
        return name
    return f"{name[: _STEM_LIMIT - 9]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def publisher_role(matrix: Matrix) -> str:
    """Return the name of the role that publishes."""
    return f"{stem(matrix)}-publisher"


def auditor_role(matrix: Matrix) -> str:
    """Return the name of the role that only reads."""
    return f"{stem(matrix)}-auditor"


def canary_runner_role(matrix: Matrix) -> str:
    """Return the name of the role that creates, invokes and deletes canary functions."""
    return f"{stem(matrix)}-canary-runner"


def yanker_role(matrix: Matrix) -> str:
    """Return the name of the role that revokes permissions (``layers yank``)."""
    return f"{stem(matrix)}-yanker"


def canary_role(matrix: Matrix) -> str:
    """Return the name of the role that canary functions run with; it has no permissions."""
    return f"{stem(matrix)}-canary"


def canary_function(matrix: Matrix, target: Target) -> str:
    """Return the name of the function that tries a target's layer: ``strands-agents-layers-canary-py3_12-x86_64``."""
    return f"{stem(matrix)}-canary-py{target.python_field}-{target.architecture.value}"


def staging_stack_set(matrix: Matrix) -> str:
    """Return the name of the StackSet of the staging buckets. It must start with a letter; a package name need not."""
    return f"staging-{stem(matrix)}"


def staging_administration_role(matrix: Matrix) -> str:
    """Return the name of the role that CloudFormation deploys that StackSet with."""
    return f"{stem(matrix)}-staging-administration"


def staging_execution_role(matrix: Matrix) -> str:
    """Return the name of the role that CloudFormation creates the staging bucket of a region with."""
    return f"{stem(matrix)}-staging-execution"
