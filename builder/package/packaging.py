"""Package an app: files and requirements → lock → both zips → Lambda's limits → the output folder.

The zips are written to a temporary folder, and moved to the output folder after both passed every check.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from packaging.utils import canonicalize_name

from builder.archive.packed import facts_of, pack, write_zip_file
from builder.archive.zip_writer import MAX_ZIP_FILES
from builder.bytecode.interpreters import find
from builder.inspection.binary_checks import check_binaries
from builder.inspection.inspector import inspect_zip
from builder.model.artifact import Artifact
from builder.model.errors import BuildError, InputError, read_error, write_error
from builder.model.escape import without_credentials
from builder.model.figures import counted, megabytes
from builder.model.folder_lock import folder_lock
from builder.model.matrix import Matrix
from builder.model.matrix_keys import Budget, Slim, Staging
from builder.model.progress import Progress
from builder.model.runtimes import UNZIPPED_LIMIT_BYTES, ZIPPED_LIMIT_BYTES
from builder.model.target import Target
from builder.model.work_folder import work_folder
from builder.package.app_files import WORK_FOLDER_PREFIX, app_files
from builder.package.dependencies import Layer, check_python, lock_of
from builder.package.hidden_modules import hidden_modules
from builder.package.local_packages import build_wheels, local_packages
from builder.pipeline.build import build
from builder.requirements.declared import DEFAULT_SELECTION, Requirements, Selection
from builder.requirements.reader import find_requirements, read_requirements
from builder.resolve.resolver import Lock, LockInput
from builder.wheels.slim import services_of_clients

APP = "app.zip"
DEPENDENCIES = "dependencies"
_DEPENDENCIES_FILES = (f"{DEPENDENCIES}.zip", f"{DEPENDENCIES}.cdx.json")


@dataclass(frozen=True)
class Zipped:
    """The facts of ``app.zip``."""

    file: Path
    sha256: str
    size: int
    unzipped_size: int


@dataclass(frozen=True)
class Package:
    """The zips that were written, and their sources."""

    target: Target
    app: Zipped
    dependencies: Artifact | None  #: None: the app needs no package that the layer does not have
    requirements: Path | None  #: the file that states what is needed
    lock: Path | None  #: the lock file with the versions
    layer: Layer | None

    @property
    def zips(self) -> dict[str, Zipped | Artifact]:
        """Both zips, or the one of the app, by file name."""
        return {APP: self.app, **({self.dependencies.file: self.dependencies} if self.dependencies else {})}

    @property
    def size(self) -> int:
        """The size of both zips in bytes."""
        return sum(each.size for each in self.zips.values())

    @property
    def unzipped_sizes(self) -> dict[str, int]:
        """The unzipped sizes that Lambda adds up: of both zips and the layer."""
        layer = {self.layer.title: self.layer.unzipped_size or 0} if self.layer else {}
        return {name: each.unzipped_size for name, each in self.zips.items()} | layer

    @property
    def total_unzipped(self) -> int:
        """The sum of the unzipped sizes."""
        return sum(self.unzipped_sizes.values())


def package(
    app: Path,
    target: Target,
    output: Path,
    progress: Progress,
    *,
    requirements: Path | None = None,
    selection: Selection = DEFAULT_SELECTION,
    layer: Layer | None = None,
    direct: bool = False,
    budget: Budget | None = None,
    slim: Slim | None = None,
    bytecode: bool = True,
) -> Package:
    """Write ``app.zip`` and ``dependencies.zip`` into ``output``.

    ``requirements``: the file with the requirements; by default the nearest to the app. ``direct``: the zips are
    sent in requests, so one that is too large for a request is an error; through a bucket, as CDK and SAM upload,
    it is a warning. ``slim``: leave out botocore's data for services that are not in it and that
    neither the app nor a package uses. ``bytecode=False`` makes a smaller layer that starts more slowly. After an
    InputError or BuildError ``output`` is unchanged.
    """
    if output.resolve() == app.resolve():
        raise InputError("the output directory is the app's own", where=str(output), fix="choose another --output")
    files = app_files(app, output, progress)
    source, notes = (requirements, ()) if requirements else find_requirements(app)
    project = read_requirements(source, target, selection) if source else None
    for note in (*notes, *(project.notes if project else ())):
        progress.note(note)
    if project:
        check_python(project, target)
    try:
        output.mkdir(parents=True, exist_ok=True)
        with work_folder(output, WORK_FOLDER_PREFIX) as folder:
            lock, lock_input = (
                _lock(project, target, layer, folder, progress) if project and not project.is_empty else ((), None)
            )
            zipped = _zip_app(files, target, folder / APP)
            dependencies = None
            if project and lock:
                compiled = _bytecode(target, progress) if bytecode else "off"
                matrix = _matrix_of(app, project, target, _slim_for(slim, files) if slim else None, compiled)
                dependencies = _build(matrix, project.version or "0", lock, lock_input, output, folder, progress)
            result = Package(target, zipped, dependencies, source, project.lock if project else None, layer)
            _check_limits(result, folder, direct, progress)
            _check_budget(result, budget or Budget())
            for warning in hidden_modules(files, folder / dependencies.file if dependencies else None, target):
                progress.note(warning)
            with folder_lock(output):  # so that both zips are of one run
                _move_files(folder, output, progress)
    except OSError as error:
        raise write_error("the zips cannot be written", error, output) from None
    return replace(result, app=replace(zipped, file=output / APP))


def _lock(
    requirements: Requirements, target: Target, layer: Layer | None, folder: Path, progress: Progress
) -> tuple[Lock, LockInput]:
    """Return the wheels that go into ``dependencies.zip``; build those of the user's own packages."""
    packages, requirements = local_packages(requirements, target)
    packages = [each for each in packages if each.name not in requirements.excludes]
    return lock_of(requirements, target, layer, build_wheels(packages, target, folder / "own", progress), progress)


def _zip_app(files: Mapping[str, Path], target: Target, to: Path) -> Zipped:
    """Write the app's zip: files at the root, sorted, all with one time. Raises BuildError if Lambda cannot run it."""
    sizes = {path: place.stat().st_size for path, place in files.items()}
    if sum(sizes.values()) > UNZIPPED_LIMIT_BYTES or len(files) > MAX_ZIP_FILES:
        biggest = sorted(sizes, key=lambda path: -sizes[path])[:5]
        raise BuildError(
            f"the app has {counted(len(files), 'file')} of {sum(sizes.values()):,} bytes; "
            f"Lambda allows {UNZIPPED_LIMIT_BYTES:,} bytes, and a zip {MAX_ZIP_FILES:,} files",
            where="app.zip",
            fix="leave out what the function does not need with a .lambdaignore; the largest are "
            + ", ".join(f"{path} {megabytes(sizes[path])}" for path in biggest),
        )
    packed = {
        path: pack(_content(place))._replace(executable=bool(place.stat().st_mode & 0o100))
        for path, place in files.items()
    }
    if errors := [each for each in check_binaries(facts_of(packed), target, own_code=True) if each.level == "error"]:
        raise BuildError(
            "the app cannot run on the target:",
            where=target.id,
            details=[f"  {each.path}: {each.message}" for each in errors[:10]],
            fix="add such packages to the requirements instead of copying them into the app",
        )
    size, sha256 = write_zip_file(to, packed)
    return Zipped(to, sha256, size, sum(file.stream.size for file in packed.values()))


def _content(place: Path) -> bytes:
    try:
        return place.read_bytes()
    except OSError as error:
        raise read_error("cannot be read", error, place) from None


def _slim_for(slim: Slim, files: Mapping[str, Path]) -> Slim:
    """Return ``slim`` with the AWS services for which the app's own modules create clients."""
    from botocore.loaders import Loader

    sources = (_content(place) for path, place in files.items() if path.endswith(".py"))
    services = services_of_clients(sources) & set(Loader().list_available_services("service-2"))
    return slim.model_copy(update={"services": tuple(sorted({*slim.services, *services}))})


def _matrix_of(
    app: Path, requirements: Requirements, target: Target, slim: Slim | None, bytecode: Literal["required", "off"]
) -> Matrix:
    """Return the matrix of a layer with the app's dependencies."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", requirements.name or app.absolute().name)[:100].strip("._-") or "app"
    matrix = Matrix(
        account="0" * 12,  # unused placeholder: this matrix publishes nothing
        package=name,
        python=(target.python,),
        architectures=(target.architecture,),
        regions=("us-east-1",),
        layer_name=DEPENDENCIES,
        staging=Staging(bucket=DEPENDENCIES, home="us-east-1"),  # zipped sizes are checked here, with the app's
        bytecode=bytecode,
        slim=slim,
    )
    stated = {
        "exclude": tuple(each for each in requirements.excludes if each != canonicalize_name(name)),
        "override": tuple(map(without_credentials, requirements.overrides)),
    }
    return matrix.model_copy(update=stated)  # uv and PDM allow more here than a matrix: no version, a URL


def _build(
    matrix: Matrix,
    version: str,
    lock: Lock,
    lock_input: LockInput | None,
    output: Path,
    folder: Path,
    progress: Progress,
) -> Artifact:
    """Build ``dependencies.zip`` with its SBOM, as a layer is built. If that of ``output`` is the same, it stays."""
    for name in _DEPENDENCIES_FILES:
        with suppress(OSError):
            (folder / name).hardlink_to(output / name)
    (target,) = matrix.targets
    locks, title = {target.id: lock}, f"{DEPENDENCIES}.zip"
    manifest = build(matrix, version, (target,), folder, progress, lock=locks, lock_input=lock_input, title=title)
    return manifest.artifacts[0]


def _bytecode(target: Target, progress: Progress) -> Literal["required", "off"]:
    try:
        find(target.python)
    except BuildError:
        progress.note(f"warning: no CPython {target.python} here; without bytecode the agent starts more slowly")
        return "off"
    return "required"


def _check_limits(packaged: Package, folder: Path, direct: bool, progress: Progress) -> None:
    if packaged.total_unzipped > UNZIPPED_LIMIT_BYTES:
        rows = ", ".join(f"{name} {size:,}" for name, size in packaged.unzipped_sizes.items())
        biggest = _biggest(packaged, folder)
        raise BuildError(
            f"unzipped, the function has {packaged.total_unzipped:,} bytes ({rows}); "
            f"Lambda allows {UNZIPPED_LIMIT_BYTES:,} for a function with its layers",
            where=packaged.target.id,
            fix="leave something out of the requirements or, with a .lambdaignore, of the app"
            + (f"; the largest packages are {biggest}" if biggest else ""),
        )
    for name, zipped in packaged.zips.items():
        if zipped.size > ZIPPED_LIMIT_BYTES:
            allowed = f"Lambda allows {ZIPPED_LIMIT_BYTES:,} in a request, and more only from a bucket"
            problem = f"{name} has {zipped.size:,} bytes; {allowed}"
            if direct:
                raise BuildError(
                    problem,
                    where=packaged.target.id,
                    fix="leave something out; or deploy it with CDK or SAM, without --direct",
                )
            progress.note(f"warning: {problem} (CDK and SAM upload to one)")


def _check_budget(packaged: Package, budget: Budget) -> None:
    if problems := list(budget.exceeded(packaged.size, packaged.total_unzipped)):
        raise BuildError(
            f"the package is larger than its budget: {'; '.join(problems)}",
            where=packaged.target.id,
            fix="leave something out (--exclude, .lambdaignore), or raise --max-size",
        )


def _biggest(packaged: Package, folder: Path) -> str:
    if packaged.dependencies is None:
        return ""
    inspection = inspect_zip(folder / packaged.dependencies.file, packaged.target)
    packages = sorted(inspection.packages, key=lambda each: -each.size)
    shown = ", ".join(f"{each.name} {megabytes(each.size)}" for each in packages[:5])
    compiled = sum(file.size for file in inspection.files if file.path.endswith(".pyc"))
    return shown + (f"; {compiled:,} bytes are bytecode, which --no-bytecode leaves out" if compiled else "")


def _move_files(folder: Path, output: Path, progress: Progress) -> None:
    """Move the files to the output folder. Delete files of an earlier run that this one did not write."""
    for name in (*_DEPENDENCIES_FILES, APP):
        if (folder / name).exists():
            (folder / name).replace(output / name)
        elif (output / name).exists():
            (output / name).unlink()
            progress.note(f"{output / name} was from an earlier run and is deleted: the app needs no packages now")
