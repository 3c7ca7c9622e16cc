"""The project's tests. They mirror the packages; stand-ins for AWS, indexes and wheels are in ``tests/fakes``."""

from pathlib import Path

#: The repository's root folder.
REPOSITORY = Path(__file__).parents[1]
