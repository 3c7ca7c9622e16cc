"""Inspect a zip: compare what its files need with what the target's runtime has.

``elf_facts`` and ``check_files`` are pure: a build calls them with its files. ``inspect_zip`` reads any zip, also a
hostile one. docs/proof.md lists the checks.
"""
