"""Smoke test a zip: Lambda's own runtime client, the matching Python, a real agent turn, all on this machine."""
