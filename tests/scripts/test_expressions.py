"""GitHub's expressions: their values, and refused ones."""

from __future__ import annotations

from typing import Any

import pytest

from scripts.rehearsal.expressions import ExpressionError, Open, evaluate, expand

CONTEXTS: dict[str, Any] = {
    "inputs": Open({"version": "1.2.3", "wait": ""}),
    "needs": {"build": {"result": "success", "outputs": {"matrix": '{"include": [{"python": "3.12"}]}'}}},
    "matrix": {"architecture": "aarch64"},
    "github": {"event": Open(client_payload=Open()), "ref": "refs/heads/main"},
    "list": ["a", "b"],
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("inputs.version", "1.2.3"),
        ("inputs.nothing", None),
        ("inputs.wait || 'none'", "none"),
        ("inputs.version || github.event.client_payload.version || 'latest'", "1.2.3"),
        ("github.event.client_payload.version || 'latest'", "latest"),
        ("matrix.architecture == 'aarch64' && 'arm' || 'x86'", "arm"),
        ("matrix.architecture != 'AARCH64'", False),
        ("fromJSON(needs.build.outputs.matrix).include[0].python", "3.12"),
        ("!inputs.skip", True),
        ("null == false", True),
        ("!(1 < 2)", False),
        ("1 < 2 && 2 >= 2.0", True),
        ("contains(list, 'B')", True),
        ("startsWith(github.ref, 'refs/heads/')", True),
        ("format('{0} of {1}', 'it''s', 2)", "it's of 2"),
        ("join(list, '-')", "a-b"),
        ("list[1]", "b"),
        ("needs['build'].result", "success"),
        ("'x' == 'x' || needs.missing.result", True),
        ("always() && needs.build.result == 'success'", True),
    ],
)
def test_an_expression_has_the_value_that_github_gives_it(text: str, value: object) -> None:
    assert evaluate(text, CONTEXTS, {"always": lambda: True}) == value


@pytest.mark.parametrize(
    "text",
    [
        "needs.bild.result",
        "needs.build.outputs.version",
        "steps.x",
        "nothing(1)",
        "1 +",
        "(1",
        "'a",
        "1 2",
        "list[7]",
        "",
    ],
)
def test_unknown_names_and_syntax_errors_are_refused(text: str) -> None:
    with pytest.raises(ExpressionError):
        evaluate(text, CONTEXTS)


def test_a_lone_expression_keeps_its_type_and_one_in_text_becomes_text() -> None:
    value = {
        "matrix": "${{ fromJSON(needs.build.outputs.matrix) }}",
        "name": "for ${{ matrix.architecture }}, ${{ 1 }}",
    }
    assert expand(value, CONTEXTS) == {"matrix": {"include": [{"python": "3.12"}]}, "name": "for aarch64, 1"}
