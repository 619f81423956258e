"""Expressions that people write into a workflow, computed by simpleeval within bounds.

No name but those given, no import, no attribute but methods of values; what an expression may be long and its results
large is limited, so that evaluating one takes a moment at most. Semantics: efficiency/notes.md B.18.
"""

from __future__ import annotations

import ast
import hashlib
import random
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from simpleeval import BASIC_ALLOWED_ATTRS, DEFAULT_OPERATORS, InvalidExpression, SimpleEval, TypeNotSpecified

from weft.nodes.diffusion.quiet import QUIET

MAX_EXPRESSION = 4_000  # characters
MAX_TEXT = 100_000  # characters of a text, entries of a list
MAX_BITS = 10_000  # of a whole number: about 3000 digits, which Python still writes out
MAX_WIDTH = 1_000  # of a formatted number
MAX_DEPTH = 100  # of operations within operations; a sum of as many terms is that deep

# Of whole numbers, what makes bytes of any length; of text, what formats by itself or makes tables and bytes.
_NOT_OFFERED = {
    int: {"to_bytes", "from_bytes"},
    bool: {"to_bytes", "from_bytes"},
    str: {"format", "format_map", "encode", "translate", "maketrans"},
}
_METHODS = {kind: BASIC_ALLOWED_ATTRS[kind] - _NOT_OFFERED.get(kind, set()) for kind in (int, float, bool, str)} | {
    list: {"index", "count", "copy"},
    tuple: {"index", "count"},
}

# What simpleeval says around the point.
_NOISE = re.compile(r"Sorry, |,? (for|in) expression .*|<ast\.|(?<=\w) object at \w+>|; use sys\..*", re.DOTALL)
_WIDTHS = re.compile(r"%[-+ #0]*(\d*)(?:\.(\d*))?")


class ExpressionError(ValueError):
    """An expression that cannot be evaluated, or not within the bounds; the message quotes it."""

    plain = True


def evaluate(
    expression: str,
    names: Mapping[str, Any],
    functions: Mapping[str, Callable[..., Any]] | None = None,
    *,
    chance: bool = True,
) -> Any:
    """The value of a Python expression over the given names.

    Beside `functions` there are int, float, str and, with `chance`, rand() (0..1) and randint(n) (0..n-1). Random
    numbers are the same for the same expression and names, so that a workflow gives the same each time.

    Raises:
        ExpressionError: no expression, an unknown name, a forbidden feature, an operation that fails or gets too large.
    """
    shown = repr(expression if len(expression) <= 80 else expression[:77] + "...")
    try:
        if len(expression) > MAX_EXPRESSION:
            raise ExpressionError(f"it has {len(expression)} characters, at most {MAX_EXPRESSION} are allowed")
        offered: dict[str, Callable[..., Any]] = {"int": int, "float": float, "str": str, **(functions or {})}
        if chance:
            generator = _generator(expression, names)
            offered |= {"rand": generator.random, "randint": lambda top: int(generator.random() * top)}
        evaluator = _Bounded(names, offered)
        value = evaluator.eval(expression)
        if callable(value):
            raise ExpressionError("it gives a function, not its result")
        return value
    except SyntaxError as error:
        reason = f"{error.msg}; expected one Python expression"
    except RecursionError:
        reason = "it is nested too deeply"
    except TypeNotSpecified:
        reason = "it asks for an attribute that is not offered"
    except (InvalidExpression, ValueError, TypeError, ArithmeticError, LookupError, MemoryError) as error:
        reason = _NOISE.sub("", str(error)) or type(error).__name__
    raise ExpressionError(f"cannot evaluate {shown}: {reason}")


KINDS = {int: "whole number", float: "number"}


def as_number(kind: type, value: Any, expression: str) -> Any:
    """The value of an expression as int or float. Raises ExpressionError where it is no number of that kind."""
    try:
        return kind(value)
    except (ValueError, TypeError, OverflowError):
        shown = repr(value)
        shown = shown if len(shown) <= 80 else shown[:77] + "..."
        raise ExpressionError(f"{expression[:80]!r} gave {shown}, which is no {KINDS[kind]}") from None


class _Bounded(SimpleEval):
    def __init__(self, names: Mapping[str, Any], functions: Mapping[str, Callable[..., Any]]) -> None:
        operators = {**DEFAULT_OPERATORS, ast.Pow: power, ast.Mult: _times, ast.LShift: _shifted, ast.Mod: _modulo}
        known = {"True": True, "False": False, "None": None, **names}
        super().__init__(operators, dict(functions), known, _METHODS)
        self._depth = 0

    def eval(self, expr: str, previously_parsed: Any = None) -> Any:
        with QUIET:  # about strange escapes in the expression
            tree = ast.parse(expr.strip(), mode="eval")
        self.expr = expr
        return self._eval(tree.body)

    def _eval(self, node: ast.AST) -> Any:
        if self._depth == MAX_DEPTH:
            raise RecursionError
        self._depth += 1
        value = super()._eval(node)
        self._depth -= 1
        if isinstance(value, int):
            _check(value.bit_length(), MAX_BITS, "a number of {} bits")
        elif isinstance(value, str | list | tuple):
            _check(len(value), MAX_TEXT, "a text or list of length {}")
        return value

    def _eval_attribute(self, node: ast.Attribute) -> Any:
        value = super()._eval_attribute(node)
        grown = _GROWING.get(node.attr)
        owner = getattr(value, "__self__", None)
        if grown is None or not isinstance(owner, str):
            return value

        def method(*args: Any) -> Any:
            _check(grown(owner, args), MAX_TEXT, "a text of length {}")
            return value(*args)

        return method

    def _eval_formattedvalue(self, node: ast.FormattedValue) -> Any:
        value = self._eval(node.value)
        if not node.format_spec:
            return value
        spec = self._eval(node.format_spec)
        _check_widths(re.findall(r"\d+", spec))
        return format(value, spec)


def _generator(expression: str, names: Mapping[str, Any]) -> random.Random:
    text = repr((expression, sorted(names.items())))
    return random.Random(hashlib.blake2b(text.encode("utf-8", "surrogatepass")).digest())


def _check(size: float, limit: int, what: str) -> None:
    if size > limit:
        raise InvalidExpression(f"it makes {what.format(int(size))}; the limit is {limit}")


def _check_widths(widths: Sequence[str]) -> None:
    for width in widths:
        # Not int(): a width of many digits is refused by its length.
        if len(width.lstrip("0")) > 4 or int(width or 0) > MAX_WIDTH:
            raise InvalidExpression(f"it formats to a width of {width[:20]}; the limit is {MAX_WIDTH}")


def power(a: Any, b: Any) -> Any:
    """a ** b within the bounds."""
    if isinstance(a, int) and isinstance(b, int) and b > 0:
        # At least so many bits, at most twice as many; 0 for 0, 1 and -1, which stay small.
        _check((abs(a).bit_length() - 1) * b, MAX_BITS, "a number of over {} bits")
    return a**b


def _times(a: Any, b: Any) -> Any:
    for text, count in ((a, b), (b, a)):
        if isinstance(text, str | list | tuple) and isinstance(count, int):
            _check(len(text) * count, MAX_TEXT, "a text or list of length {}")
    return a * b


def _shifted(a: Any, b: Any) -> Any:
    if isinstance(a, int) and isinstance(b, int):
        _check(a.bit_length() + b, MAX_BITS, "a number of {} bits")
    return a << b


def _modulo(a: Any, b: Any) -> Any:
    if isinstance(a, str):
        _check_widths([width for found in _WIDTHS.findall(a) for width in found if width])
    return a % b


def _padded(text: str, args: Sequence[Any]) -> float:
    return args[0] if args and isinstance(args[0], int) else 0


def _joined(text: str, args: Sequence[Any]) -> float:
    parts = args[0] if args else ()
    return len(text) * len(parts) + sum(map(len, parts))


# How long a text these methods make at most.
_GROWING: Mapping[str, Callable[[str, Sequence[Any]], float]] = {
    "center": _padded,
    "ljust": _padded,
    "rjust": _padded,
    "zfill": _padded,
    "expandtabs": lambda text, args: len(text) * max(1, *(arg for arg in args if isinstance(arg, int)), 8),
    "replace": lambda text, args: len(text) + (text.count(args[0]) * len(args[1]) if len(args) > 1 else 0),
    "join": _joined,
}
