"""Nodes with fifty of the same input: one parameter that stands for numbered ones."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

MAX_SLOTS = 50

Function = TypeVar("Function", bound=Callable[..., Any])


def slots(count: int = MAX_SLOTS, /, **columns: Any) -> Callable[[Function], Function]:
    """The parameter `slots` of the function stands for inputs NAME_1, OTHER_1, NAME_2, ..., one NAME a column.

    A column is an annotation, as a parameter has it; its entry in the docstring's `Args:` becomes each input's tooltip.
    The function gets a list of tuples, one a number, with None for what was left out as unused. Put it under `@node`.
    """

    def made(function: Function) -> Function:
        names = [[f"{name}_{i}" for name in columns] for i in range(1, count + 1)]

        @functools.wraps(function)
        def called(**inputs: Any) -> Any:
            rows = [tuple(inputs.pop(name, None) for name in row) for row in names]
            return function(slots=rows, **inputs)

        signature = inspect.signature(function)
        parameters: list[inspect.Parameter] = []
        for parameter in signature.parameters.values():
            if parameter.name == "slots":
                parameters += [parameter.replace(name=name) for row in names for name in row]
            else:
                parameters.append(parameter)
        called.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        annotations = {name: kind for name, kind in function.__annotations__.items() if name != "slots"}
        called.__annotations__ = annotations | {
            f"{name}_{i}": kind for i in range(1, count + 1) for name, kind in columns.items()
        }
        called.__doc__ = _numbered(function.__doc__ or "", columns, count)
        return called  # type: ignore[return-value]  # the same function, with numbered parameters

    return made


def _numbered(doc: str, columns: Iterable[str], count: int) -> str:
    """The docstring with the entry of each column once for each number; an entry stands on one line."""
    for name in columns:
        entry = re.compile(rf"^( +){name}: (.+)$", re.MULTILINE)
        lines = "\n".join(rf"\g<1>{name}_{i}: \g<2>" for i in range(1, count + 1))
        doc = entry.sub(lines, doc)
    return doc


def beyond(count: Any, columns: Iterable[str], last: int = MAX_SLOTS) -> frozenset[str]:
    """The names of the numbered inputs above `count`; none where the count is not known."""
    if not isinstance(count, int):
        return frozenset()
    return frozenset(f"{name}_{i}" for i in range(count + 1, last + 1) for name in columns)


def unused_slots(counter: str, *columns: str, last: int = MAX_SLOTS) -> Callable[[Mapping[str, Any]], frozenset[str]]:
    """For `@node(unused=...)`: the numbered inputs above the value of the input `counter`."""
    return lambda constants: beyond(constants.get(counter), columns, last)
