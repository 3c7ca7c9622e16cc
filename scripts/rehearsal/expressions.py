"""Evaluate GitHub's expressions as far as the workflows use them: literals, contexts, operators and functions.

In one respect it is stricter than GitHub: a missing name is an error, not an empty text, so that a misspelt output
fails in a rehearsal and not on release day.
Reference: "Evaluate expressions in workflows and actions", GitHub's documentation.
"""

from __future__ import annotations

import json
import operator as op
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from builder.model.errors import InputError

Value = Any  #: a JSON value: None, bool, int, float, str, list, dict
Functions = Mapping[str, Callable[..., Value]]

_TOKEN = re.compile(
    r"\s*(?:(?P<number>-?(?:0x[0-9a-fA-F]+|\d+(?:\.\d+)?(?:[eE][+-]?\d+)?))"
    r"|'(?P<text>(?:[^']|'')*)'"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_-]*)"
    r"|(?P<sign>&&|\|\||==|!=|<=|>=|[<>!()\[\],.*]))"
)
_BINARY = {"||": 1, "&&": 2, "==": 3, "!=": 3, "<": 4, "<=": 4, ">": 4, ">=": 4}
_COMPARISONS = {"==": op.eq, "!=": op.ne, "<": op.lt, "<=": op.le, ">": op.gt, ">=": op.ge}
_CONSTANTS = {"true": True, "false": False, "null": None}
_EMBEDDED = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)


class Open(dict[str, Value]):
    """A context in which missing names are null, such as an event's payload."""


class ExpressionError(InputError):
    """An expression is invalid, or uses a name that does not exist."""


def evaluate(text: str, contexts: Mapping[str, Value], functions: Functions | None = None) -> Value:
    """Return the value of one expression, given without its ``${{ }}``. It may use these functions in addition."""
    parser = _Parser(text, contexts, {**_FUNCTIONS, **(functions or {})})
    value = parser.binary(0)
    if parser.peek() is not None:
        raise ExpressionError(f"unexpected {parser.peek()!r} after the expression", where=text.strip())
    return value


def expand(value: Value, contexts: Mapping[str, Value]) -> Value:
    """Evaluate the expressions in a YAML value. A text that is only an expression keeps the expression's type."""
    if isinstance(value, dict):
        return {key: expand(item, contexts) for key, item in value.items()}
    if isinstance(value, list):
        return [expand(item, contexts) for item in value]
    if not isinstance(value, str):
        return value
    whole = _EMBEDDED.fullmatch(value.strip())
    if whole and "${{" not in whole[1]:
        return evaluate(whole[1], contexts)
    return _EMBEDDED.sub(lambda match: as_text(evaluate(match[1], contexts)), value)


def expand_texts(values: Mapping[str, Value] | None, contexts: Mapping[str, Value]) -> dict[str, str]:
    """Evaluate the expressions in the values of a mapping, if there is one, and convert each value to text."""
    return {key: as_text(expand(value, contexts)) for key, value in (values or {}).items()}


def as_text(value: Value) -> str:
    """Convert a value to text as GitHub does."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return json.dumps(value) if isinstance(value, dict | list) else str(value)


def is_true(value: Value) -> bool:
    """Whether GitHub treats a value as true: not null, false, 0 or an empty text."""
    return value not in (None, False, 0, "")


_Token = tuple[str, Any]  #: its kind (number, text, name or sign) and its value


class _Parser:
    """Parses and evaluates in one pass; operands that ``&&`` and ``||`` skip are parsed but not evaluated."""

    def __init__(self, text: str, contexts: Mapping[str, Value], functions: Functions) -> None:
        self._text = text
        self._tokens = _tokens(text)
        self._at = 0
        self._contexts = contexts
        self._functions = functions
        self._skipping = 0

    def peek(self) -> Any:
        return self._tokens[self._at][1] if self._at < len(self._tokens) else None

    def binary(self, least: int) -> Value:
        left = self._unary()
        while (sign := self._sign()) in _BINARY and (rank := _BINARY[sign]) > least:
            self._at += 1
            skip = (sign == "&&" and not is_true(left)) or (sign == "||" and is_true(left))
            self._skipping += skip
            right = self.binary(rank)
            self._skipping -= skip
            if sign not in ("&&", "||"):
                left = _compare(sign, left, right)
            elif not skip:
                left = right
        return left

    def _unary(self) -> Value:
        if self._take("!"):
            return not is_true(self._unary())
        return self._postfix(self._primary())

    def _primary(self) -> Value:
        kind, value = self._next()
        if kind in ("number", "text"):
            return value
        if value == "(":
            inner = self.binary(0)
            self._expect(")")
            return inner
        if kind != "name":
            raise ExpressionError(f"{value!r} is unexpected", where=self._text.strip())
        if value in _CONSTANTS:
            return _CONSTANTS[value]
        if self._take("("):
            return self._call(value)
        return self._look_up(self._contexts, value, "unknown context")

    def _call(self, name: str) -> Value:
        arguments = []
        while not self._take(")"):
            arguments.append(self.binary(0))
            if not self._take(","):
                self._expect(")")
                break
        function = {key.lower(): value for key, value in self._functions.items()}.get(name.lower())
        if function is None:
            raise ExpressionError(f"unknown function {name}", where=self._text.strip())
        return None if self._skipping else function(*arguments)

    def _postfix(self, value: Value) -> Value:
        while True:
            if self._take("."):
                value = self._look_up(value, str(self._next()[1]), "unknown name")
            elif self._take("["):
                value = self._look_up(value, self.binary(0), "unknown name")
                self._expect("]")
            else:
                return value

    def _look_up(self, holder: Value, key: Value, what: str) -> Value:
        if self._skipping:
            return None
        if isinstance(holder, Mapping) and key in holder:
            return holder[key]
        if isinstance(holder, Open):
            return None
        if isinstance(holder, list) and isinstance(key, int) and 0 <= key < len(holder):
            return holder[key]
        raise ExpressionError(f"{what} {key!r}", where=self._text.strip())

    def _sign(self) -> str:
        kind, value = self._tokens[self._at] if self._at < len(self._tokens) else ("", "")
        return str(value) if kind == "sign" else ""

    def _take(self, sign: str) -> bool:
        matches = self._sign() == sign
        self._at += matches
        return matches

    def _expect(self, sign: str) -> None:
        if not self._take(sign):
            raise ExpressionError(f"{sign!r} is missing", where=self._text.strip())

    def _next(self) -> _Token:
        if self._at >= len(self._tokens):
            raise ExpressionError("the expression is incomplete", where=self._text.strip())
        self._at += 1
        return self._tokens[self._at - 1]


def _tokens(text: str) -> Sequence[_Token]:
    tokens, position = [], 0
    text = text.rstrip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise ExpressionError(f"the expression has a syntax error at {text[position:]!r}", where=text.strip())
        kind = str(match.lastgroup)
        value: Any = match[kind]
        if kind == "number":
            value = int(value, 0) if re.fullmatch(r"-?(0x[0-9a-fA-F]+|\d+)", value) else float(value)
        elif kind == "text":
            value = value.replace("''", "'")
        tokens.append((kind, value))
        position = match.end()
    return tokens


def _compare(sign: str, left: Value, right: Value) -> bool:
    if isinstance(left, str) and isinstance(right, str):
        left, right = left.lower(), right.lower()  # GitHub compares texts without case
    elif type(left) is not type(right):
        left, right = _number(left), _number(right)
    return bool(_COMPARISONS[sign](left, right))


def _number(value: Value) -> float:
    """Convert a value to a number, as GitHub does to compare different types; NaN if it is not one."""
    if value is None or value == "":
        return 0
    try:
        return float(value)
    except (TypeError, ValueError):
        return float("nan")


def _contains(where: Value, searched: Value) -> bool:
    if isinstance(where, list):
        return any(_compare("==", item, searched) for item in where)
    return as_text(searched).lower() in as_text(where).lower()


def _format(text: str, *values: Value) -> str:
    filled = re.sub(r"\{(\d+)\}", lambda match: as_text(values[int(match[1])]), text)
    return filled.replace("{{", "{").replace("}}", "}")


def _from_json(text: Value) -> Value:
    try:
        return json.loads(as_text(text))
    except ValueError as error:
        raise ExpressionError(f"not JSON: {text!r} ({error})", where="fromJSON") from None


_FUNCTIONS: Functions = {
    "contains": _contains,
    "startsWith": lambda text, part: as_text(text).lower().startswith(as_text(part).lower()),
    "endsWith": lambda text, part: as_text(text).lower().endswith(as_text(part).lower()),
    "format": _format,
    "join": lambda items, glue=",": as_text(glue).join(map(as_text, items)),
    "toJSON": lambda value: json.dumps(value, indent=2),
    "fromJSON": _from_json,
}
