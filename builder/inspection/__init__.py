"""Inspect a zip: compare what its files need with what the target's runtime has.

``elf_facts`` and ``check_files`` are pure: a build calls them with its files. ``inspect_zip`` reads any zip, also a
hostile one. docs/proof.md lists the checks.
"""

from __future__ import annotations

from builder.inspection.binary_checks import check_elf
from builder.inspection.elf import ElfFacts, Need, elf_facts
from builder.inspection.expected_target import against_manifest, expected_target
from builder.inspection.file_checks import check_files
from builder.inspection.file_facts import FileFacts, PycFacts
from builder.inspection.inspector import Inspection, inspect_zip
from builder.inspection.pyc import pyc_facts
from builder.inspection.zip_comparison import Comparison, compare
from builder.model.runtimes import UNZIPPED_LIMIT_BYTES, ZIPPED_LIMIT_BYTES

__all__ = [
    "UNZIPPED_LIMIT_BYTES",
    "ZIPPED_LIMIT_BYTES",
    "Comparison",
    "ElfFacts",
    "FileFacts",
    "Inspection",
    "Need",
    "PycFacts",
    "against_manifest",
    "check_elf",
    "check_files",
    "compare",
    "elf_facts",
    "expected_target",
    "inspect_zip",
    "pyc_facts",
]
