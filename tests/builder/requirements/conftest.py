"""A project in a folder; its only index has wheels made in the test."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from builder.model.errors import LayersError
from builder.package.packaging import package
from builder.requirements.declared import DEFAULT_SELECTION, Selection
from tests.builder.requirements.lock_samples import FAST, HEAD
from tests.fakes.notes import Notes
from tests.fakes.wheels import make_wheel, target_of

TARGET = target_of("3.12", "x86_64")
#: A project that requires tinydep.
TINYDEP = '[project]\nname = "agent"\nversion = "1"\ndependencies = ["tinydep"]\n'
#: uv includes this build backend, so no index is needed.
BUILD = '[build-system]\nrequires = ["uv_build"]\nbuild-backend = "uv_build"\n'


@dataclass
class Project:
    """An app with the files that declare its dependencies."""

    folder: Path
    index: Path
    notes: Notes = field(default_factory=Notes)

    def write(self, files: Mapping[str, str]) -> None:
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def wheel(self, name: str, version: str = "1.0", requires: tuple[str, ...] = ()) -> None:
        make_wheel(self.index, name, version, requires=requires)

    def local(self, path: str, name: str, dependencies: str = "[]", more: str = "") -> None:
        """Write a local package."""
        text = f'[project]\nname = "{name}"\nversion = "0.5"\ndependencies = {dependencies}\n{more}\n{BUILD}'
        module = name.replace("-", "_")
        self.write({f"{path}/pyproject.toml": text, f"{path}/src/{module}/__init__.py": f"NAME = {name!r}\n"})

    def packages(self, selection: Selection = DEFAULT_SELECTION, requirements: str | None = None) -> dict[str, str]:
        """Return the versions in dependencies.zip, read from METADATA."""
        self.notes = Notes()
        source = self.folder / requirements if requirements else None
        output = self.folder.parent / "out"
        made = package(self.folder, TARGET, output, self.notes, requirements=source, selection=selection)
        if made.dependencies is None:
            return {}
        with zipfile.ZipFile(output / "dependencies.zip") as archive:
            names = [name.split("/")[1] for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        found = dict(name.removesuffix(".dist-info").rsplit("-", 1) for name in names)
        assert found == {each.name.replace("-", "_"): each.version for each in made.dependencies.lock}
        return found

    def refusal(self, selection: Selection = DEFAULT_SELECTION, requirements: str | None = None) -> str:
        (self.folder.parent / "out" / "app.zip").unlink(missing_ok=True)
        with pytest.raises(LayersError) as caught:
            self.packages(selection, requirements)
        assert caught.value.exit_code in (3, 4)
        assert not (self.folder.parent / "out" / "app.zip").exists()
        return str(caught.value)


@pytest.fixture
def project(tmp_path: Path, index: Path) -> Project:
    made = Project(tmp_path / "app", index)
    made.write({"handler.py": "def handler(event, context): ...\n"})
    return made


@pytest.fixture
def locked(project: Project) -> Project:
    """Return a project whose index has two versions of each package; the locks name the first."""
    for version in ("1.0", "2.0"):
        project.wheel("base", version)
        project.wheel("other", version)
        project.wheel("tinydep", version, requires=FAST)
    project.write({"pyproject.toml": HEAD})
    return project
