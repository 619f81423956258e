"""What packs replace in the modules that they import: packs obey it, and Weft's own nodes do not, so it is said."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from weft.nodes.compat import missing

FIRST = "__weft_at_first__"
"""In a module: what stood in it when it was first imported, by name."""

_REPLACED: dict[str, list[str]] = {}


@contextmanager
def loading(pack: str, place: str) -> Iterator[None]:
    """missing.loading, and afterwards `replaced` knows what the pack put in the place of functions."""
    before = set(_changed())
    _REPLACED.pop(pack, None)
    with missing.loading(pack, place):
        try:
            yield
        finally:
            _REPLACED[pack] = [name for name in _changed() if name not in before]


def replaced(pack: str) -> list[str]:
    """The functions and classes, `module.attribute`, in whose place a pack has put others as it was imported."""
    return list(_REPLACED.get(pack, ()))


def _changed() -> Iterator[str]:
    for name, module in list(sys.modules.items()):
        # A module has two names; packs know ComfyUI's.
        first = getattr(module, "__dict__", {}).get(FIRST) if not name.startswith("weft.") else None
        for attribute, value in (first or {}).items():
            if callable(value) and vars(module).get(attribute) is not value:
                yield f"{name}.{attribute}"
