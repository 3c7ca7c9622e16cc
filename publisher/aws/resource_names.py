"""The names of the program's roles and functions in an account. All names of a package have the same prefix.

The templates of ``layers infra`` create the roles and allow the functions by these names; the commands use them.
"""

from __future__ import annotations

import hashlib

from packaging.utils import canonicalize_name

from builder.model.matrix import Matrix
from builder.model.target import Target

#: IAM and Lambda allow 64 characters in names of roles and functions; the part after the stem takes up to 22.
MAX_NAME_CHARACTERS = 64
_MAX_STEM_CHARACTERS = 40
#: Public parameters (Systems Manager user guide, "Discovering public parameters").
LAMBDA_REGIONS_PATH = "/aws/service/global-infrastructure/services/lambda/regions"


def stem(matrix: Matrix) -> str:
    """Return the common prefix, ``strands-agents-layers``. A long name is truncated and gets a hash to stay unique."""
    name = f"{canonicalize_name(matrix.package)}-layers"
    if len(name) <= _MAX_STEM_CHARACTERS:
        return name
    return f"{name[: _MAX_STEM_CHARACTERS - 9]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def canary_role(matrix: Matrix) -> str:
    """Return the name of the role that canary functions run with; it has no permissions."""
    return f"{stem(matrix)}-canary"


def canary_function(matrix: Matrix, target: Target) -> str:
    """Return the name of a target's canary function: ``strands-agents-layers-canary-py3_12-x86_64``."""
    return f"{stem(matrix)}-canary-py{target.python_field}-{target.architecture.value}"
