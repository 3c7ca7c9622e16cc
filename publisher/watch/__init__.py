"""Watch: find out what needs doing, from the package index, the ledger and the advisories. Writes nothing.

package index ─> versions ─┐
ledger ─> releases ────────┼─> choice, incomplete releases, rebuilds ─> `layers watch`
advisories ────────────────┘
"""
