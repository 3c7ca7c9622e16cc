"""The input of the templates: a matrix, its ledger, and the GitHub repository whose jobs may assume the roles."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from builder.model.errors import InputError
from builder.model.matrix import Matrix
from builder.model.regions import ALWAYS_ENABLED, is_enabled_by_default, partition_of
from builder.model.runtimes import RUNTIMES, Architecture
from builder.model.target import Target
from publisher.aws import resource_names

#: ``OWNER/NAME``, or ``OWNER@ID/NAME@ID`` as GitHub writes repositories made after 15 July 2026 into its tokens.
REPOSITORY = (
    r"^([A-Za-z0-9][A-Za-z0-9_-]{0,38}/[A-Za-z0-9._-]{1,100}"
    r"|[A-Za-z0-9][A-Za-z0-9_-]{0,38}@[0-9]{1,20}/[A-Za-z0-9._-]{1,100}@[0-9]{1,20})$"
)
GITHUB = "token.actions.githubusercontent.com"
#: The audience of GitHub's tokens by partition.
AUDIENCES = {"aws-cn": "sts.amazonaws.com.cn"}
DEFAULT_AUDIENCE = "sts.amazonaws.com"
_ENVIRONMENT = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}"
_BUCKET = r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"
#: What S3 calls safe in a key, less what a policy would read as a wildcard or a variable.
_PREFIX = r"[A-Za-z0-9!_.'()/-]*"


@dataclass(frozen=True)
class Scope:
    """The input of the templates, and the names and ARNs that follow from it. ``make_scope`` makes a checked one."""

    matrix: Matrix
    partition: str
    ledger: tuple[str, str] | None  #: bucket and prefix (with its slash, or empty); None: not in S3
    repository: str | None  #: None: a parameter of the stack
    environment: str  #: prefix of the names of GitHub's environments
    canary_first: bool  #: whether the publisher also creates canary functions

    @property
    def account(self) -> str:
        return self.matrix.account

    @property
    def regions(self) -> tuple[str, ...]:
        return self.matrix.regions

    @property
    def layer_names(self) -> tuple[str, ...]:
        """The layers of the matrix."""
        return tuple(target.layer_name for target in self.matrix.targets)

    @cached_property
    def recorded(self) -> tuple[Target, ...]:
        """Every target that a release may have: also of Pythons that the matrix has retired."""
        keys = self.matrix.model_dump()
        every = Matrix.model_validate({**keys, "python": tuple(RUNTIMES), "architectures": tuple(Architecture)})
        return tuple({target.layer_name: target for target in (*every.targets, *self.matrix.targets)}.values())

    @property
    def recorded_names(self) -> tuple[str, ...]:
        """The layers of all recorded targets."""
        return tuple(target.layer_name for target in self.recorded)

    @property
    def home_bucket(self) -> str | None:
        """The staging bucket of the home region; None without staging."""
        return self.matrix.bucket(self.matrix.staging.home) if self.matrix.staging else None

    @property
    def enabled_region(self) -> str:
        """A region that every account of the partition has enabled, if there is one."""
        return ALWAYS_ENABLED.get(self.partition, self.regions[0])

    @property
    def opt_in_regions(self) -> list[str]:
        """The regions that are disabled by default."""
        return [region for region in self.regions if not is_enabled_by_default(region)]

    @property
    def audience(self) -> str:
        """The audience of GitHub's tokens, which the provider and the roles have to name."""
        return audience(self.partition)

    @property
    def canary_functions(self) -> list[str]:
        """The ARNs of the canary functions of every recorded target, in any region."""
        functions = f"arn:{self.partition}:lambda:*:{self.account}:function:"
        return [f"{functions}{resource_names.canary_function(self.matrix, target)}" for target in self.recorded]

    def layers(self, names: Iterable[str]) -> list[str]:
        """The ARNs of layers, in any region."""
        return [f"arn:{self.partition}:lambda:*:{self.account}:layer:{name}" for name in names]

    def layer_versions(self, names: Iterable[str]) -> list[str]:
        """The ARNs of all versions of layers, in any region."""
        return [f"{arn}:*" for arn in self.layers(names)]

    def parameters(self, path: str) -> str:
        """The ARN of parameters, in any region."""
        return f"arn:{self.partition}:ssm:*:{self.account}:parameter{path}"

    def role(self, name: str) -> str:
        """The ARN of a role."""
        return f"arn:{self.partition}:iam::{self.account}:role/{name}"

    def stacks(self, path: str) -> str:
        """The ARN of stacks or StackSets, in any region."""
        return f"arn:{self.partition}:cloudformation:*:{self.account}:{path}"

    def in_bucket(self, bucket: str, key: str | None = None) -> str:
        """The ARN of a bucket, or of objects in it."""
        return f"arn:{self.partition}:s3:::{bucket}" + (f"/{key}" if key is not None else "")

    def in_buckets(self, key: str | None = None) -> list[str]:
        """The ARNs of the staging buckets, or of objects in them."""
        return [self.in_bucket(bucket, key) for region in self.regions if (bucket := self.matrix.bucket(region))]


def audience(partition: str) -> str:
    """Return what aws-actions/configure-aws-credentials requests a token for."""
    return AUDIENCES.get(partition, DEFAULT_AUDIENCE)


def make_scope(
    matrix: Matrix,
    ledger_place: str,
    repository: str | None = None,
    environment: str = "layers",
    canary_first: bool = False,
) -> Scope:
    """Return the input of the templates of this matrix. Raises InputError if there can be none."""
    if repository is not None and not re.fullmatch(REPOSITORY, repository):
        raise InputError(
            f"{repository!r} is not a GitHub repository",
            where="--repository",
            fix="write OWNER/NAME; for one created after 15 July 2026 OWNER@ID/NAME@ID, as in its tokens",
        )
    if not re.fullmatch(_ENVIRONMENT, environment):
        raise InputError(
            f"{environment!r} cannot begin the names of GitHub environments",
            where="--environment",
            fix="up to 100 letters, digits, `_`, `.` and `-`, like layers",
        )
    partition = partition_of(matrix.regions[0])
    return Scope(matrix, partition, _ledger(matrix, ledger_place), repository, environment, canary_first)


def _ledger(matrix: Matrix, place: str) -> tuple[str, str] | None:
    if not place.startswith("s3://"):
        return None
    from publisher.ledger.s3 import bucket_and_prefix

    bucket, prefix = bucket_and_prefix(place)
    if not re.fullmatch(_BUCKET, bucket) or not re.fullmatch(_PREFIX, prefix):
        raise InputError(
            f"a policy cannot name {place!r} exactly",
            where="--ledger",
            fix="use a bucket's name and a prefix of letters, digits and !_.'()/-",
        )
    if bucket in {matrix.bucket(region) for region in matrix.regions}:
        raise InputError(
            f"the ledger would be in the staging bucket {bucket}",
            where="--ledger",
            fix="give it its own bucket: a ledger keeps its versions, staged zips expire",
        )
    return bucket, prefix
