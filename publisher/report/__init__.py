"""Sections of GitHub's job summary, in Markdown, and annotations. Pure; ``publisher.cli.github`` writes them."""
