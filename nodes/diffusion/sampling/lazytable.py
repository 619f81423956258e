"""Tables whose names can be read without importing what they name: the faces list them, and must not load torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import Any, Generic, TypeVar

Row = TypeVar("Row")
Value = TypeVar("Value")


class LazyTable(Mapping[str, Value], Generic[Row, Value]):
    """Values by name, each made from its row when it is first asked for, and once.

    make: (name, row) -> the value.
    """

    def __init__(self, rows: Mapping[str, Row], make: Callable[[str, Row], Value]) -> None:
        self._rows = dict(rows)
        self._make = make
        self._made: dict[str, Value] = {}

    def __getitem__(self, name: str) -> Value:
        if name not in self._made:
            # Two threads may both make it: setdefault keeps the first.
            self._made.setdefault(name, self._make(name, self._rows[name]))
        return self._made[name]

    def row(self, name: str) -> Row:
        """What stands in the table, without making the value of it."""
        return self._rows[name]

    def __contains__(self, name: object) -> bool:
        return name in self._rows

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)


def imported(package: str, path: str) -> Any:
    """What stands at `module.name` below a package."""
    module, _, name = path.rpartition(".")
    return getattr(import_module(f"{package}.{module}"), name)
