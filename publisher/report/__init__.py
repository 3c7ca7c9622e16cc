"""What a command tells GitHub Actions: sections of the job summary, in Markdown, and annotations. Pure.

``publisher.cli.github`` hands it over, where there is somebody to hand it to.
"""
