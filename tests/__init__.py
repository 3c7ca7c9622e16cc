"""Tests, in the same folders as the packages. ``tests/fakes`` has the fakes of AWS, indexes and wheels."""

from pathlib import Path

#: The root folder of the repository.
REPOSITORY = Path(__file__).parents[1]
