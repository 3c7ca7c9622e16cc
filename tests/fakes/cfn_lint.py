"""cfn-lint in this process: its rules are loaded once, which takes longer than to check a template."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any


@cache
def _rules() -> Any:
    from cfnlint.config import ConfigMixIn  # takes a second
    from cfnlint.runner import Runner

    return Runner(ConfigMixIn()).rules


def findings(template: str, regions: Sequence[str], ignored: Sequence[str] = ()) -> list[str]:
    """Return the findings for a template in these regions, without those of the ignored severities and rules."""
    from cfnlint.config import ConfigMixIn
    from cfnlint.decode.decode import decode_str
    from cfnlint.runner import run_template_by_data

    document, errors = decode_str(template)
    matches = errors or run_template_by_data(document, ConfigMixIn(regions=list(regions)), _rules())
    return [str(match) for match in matches if not {match.rule.severity, match.rule.id} & set(ignored)]
