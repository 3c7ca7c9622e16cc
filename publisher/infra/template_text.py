"""Templates as text: YAML with CloudFormation's short intrinsic functions and with comments, or JSON."""

from __future__ import annotations

import re
import textwrap
from typing import Any

import yaml

Template = dict[str, Any]

#: The key of a mapping's comment.
NOTE = "#"
MAX_LINE_CHARACTERS = 118
_SHORT = {"Ref": "!Ref", "Fn::Equals": "!Equals", "Fn::If": "!If", "Fn::Sub": "!Sub"}


def as_yaml(template: Template, head: str = "") -> str:
    """Return the template as YAML; ``head`` is the comment at its top."""
    notes: list[str] = []
    text = yaml.dump(
        _number_comments(template, notes),
        Dumper=_Dumper,
        sort_keys=False,
        width=MAX_LINE_CHARACTERS,
        allow_unicode=True,
        indent=2,
    )
    text = re.sub(r"^( *)(- )?'#(\d+)': null\n *", lambda match: _comment(match, notes), text, flags=re.MULTILINE)
    text = re.sub(r"(?<!:)\n(?=\S|  \w+:\n    (?:Type|#))", "\n\n", text)  # between sections, and between resources
    text = re.sub(r"!(Ref|GetAtt) '([\w.]+)'", r"!\1 \2", text)
    return (_lines(head, "") if head else "") + text


def plain(value: Any) -> Any:
    """Return the value without its comments: what CloudFormation gets."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items() if key != NOTE}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


def _number_comments(value: Any, notes: list[str]) -> Any:
    """Return the value with a short key in place of each comment; the comments go to ``notes``."""
    if isinstance(value, list):
        return [_number_comments(item, notes) for item in value]
    if not isinstance(value, dict):
        return value
    result: dict[str, Any] = {}
    for key, item in value.items():
        if key == NOTE:
            result[f"#{len(notes)}"] = None
            notes.append(item)
        else:
            result[key] = _number_comments(item, notes)
    return result


def _comment(match: re.Match[str], notes: list[str]) -> str:
    indent, dash, number = match.groups()
    return f"{_lines(notes[int(number)], indent)}{indent}{dash or ''}"


def _lines(text: str, indent: str) -> str:
    wrapped = textwrap.wrap(text, MAX_LINE_CHARACTERS, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# ")
    return "".join(f"{line}\n" for line in wrapped)


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True  # CloudFormation does not support aliases

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _mapping(dumper: _Dumper, data: dict[str, Any]) -> yaml.Node:
    if len(data) == 1:
        ((key, value),) = data.items()
        if key == "Fn::GetAtt":
            return dumper.represent_scalar("!GetAtt", ".".join(value))
        if key in _SHORT and isinstance(value, str):
            return dumper.represent_scalar(_SHORT[key], value)
        if key in _SHORT:
            return dumper.represent_sequence(_SHORT[key], value, flow_style=True)
    return dumper.represent_mapping("tag:yaml.org,2002:map", data.items())


def _sequence(dumper: _Dumper, data: list[Any]) -> yaml.Node:
    words = all(isinstance(item, str) and len(item) <= 40 for item in data)  # regions and actions, not ARNs
    return dumper.represent_sequence("tag:yaml.org,2002:seq", data, flow_style=words)


def _text(dumper: _Dumper, data: str) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:str", data, style="|" if "\n" in data else None)


_Dumper.add_representer(dict, _mapping)
_Dumper.add_representer(list, _sequence)
_Dumper.add_representer(str, _text)
