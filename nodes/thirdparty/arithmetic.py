"""Two numbers and what is done to them, with errors that say what was computed."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from weft.engine.errors import WeftError


def done(name: str, operation: Callable[[Any, Any], Any], a: Any, b: Any) -> Any:
    """The result; an error that says what was computed where there is none."""
    if operation is operator.pow and (abs(b) > 1024 or abs(a) > 2**64):
        raise WeftError(f"{a} to the power of {b} is too large to compute")
    try:
        result = operation(a, b)
    except (ArithmeticError, ValueError) as error:
        raise WeftError(f"{name} of {a} and {b}: {error}") from error
    if isinstance(result, complex):
        raise WeftError(f"{name} of {a} and {b} is no real number")
    return result
