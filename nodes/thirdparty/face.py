"""How substitutes are marked: with the pack that they stand for, as ComfyUI names the module of its classes."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from typing import Any

from weft.engine.schema import authoring


def marker(pack: str, category: str) -> Callable[..., Any]:
    """`@node` for the classes of a pack."""
    return functools.partial(authoring.node, python_module=f"custom_nodes.{pack}", category=category)


def text_of(value: Any) -> str:
    """A value as text: JSON where it has that form."""
    if value is None or isinstance(value, str | int | float | bool):
        return str(value)
    try:
        return json.dumps(value, indent=2)
    except (TypeError, ValueError):
        return str(value)


def passed_on(shown: authoring.UI, *outputs: Any) -> Any:
    """What a node returns that shows something and has outputs, too."""
    return {"ui": shown, "result": outputs}
