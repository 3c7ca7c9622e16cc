"""Watching: what the package index, the ledger and the advisories say is to be done. Writes nothing.

package index ─> versions ─┐
ledger ─> releases ────────┼─> choice, incomplete releases, rebuilds ─> `layers watch`
advisories ────────────────┘
"""
