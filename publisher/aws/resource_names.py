"""What the program's own things in an account are called: roles and functions, all under one stem for each package.

The templates of ``layers infra`` make the roles and allow the functions by these names, and the commands use them.
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
    """``strands-agents-layers``; a long name is cut, and told apart by a piece of its hash."""
    name = f"{canonicalize_name(matrix.package)}-layers"
    if len(name) <= _STEM_LIMIT:
        return name
    return f"{name[: _STEM_LIMIT - 9]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def publisher_role(matrix: Matrix) -> str:
    """The role that publishes."""
    return f"{stem(matrix)}-publisher"


def auditor_role(matrix: Matrix) -> str:
    """The role that only reads."""
    return f"{stem(matrix)}-auditor"


def canary_runner_role(matrix: Matrix) -> str:
    """The role that makes, invokes and removes canary functions."""
    return f"{stem(matrix)}-canary-runner"


def yanker_role(matrix: Matrix) -> str:
    """The role that takes permissions back (``layers yank``)."""
    return f"{stem(matrix)}-yanker"


def canary_role(matrix: Matrix) -> str:
    """The role that canary functions run with; it allows nothing."""
    return f"{stem(matrix)}-canary"


def canary_function(matrix: Matrix, target: Target) -> str:
    """The function that tries a target's layer: ``strands-agents-layers-canary-py3_12-x86_64``."""
    return f"{stem(matrix)}-canary-py{target.python_field}-{target.architecture.value}"


def staging_stack_set(matrix: Matrix) -> str:
    """The StackSet of the staging buckets. Its name has to begin with a letter, which a package's need not."""
    return f"staging-{stem(matrix)}"


def staging_administration_role(matrix: Matrix) -> str:
    """The role with which CloudFormation carries that StackSet to the regions."""
    return f"{stem(matrix)}-staging-administration"


def staging_execution_role(matrix: Matrix) -> str:
    """The role with which CloudFormation makes the staging bucket of a region."""
    return f"{stem(matrix)}-staging-execution"
