"""Text out of a workflow."""

from __future__ import annotations

import json
from typing import Any

from engine.authoring import UI, node
from nodes.types import Anything


@node(display_name="Preview Any", category="utils", output_node=True, python_module="comfy_extras.nodes_preview_any")
def PreviewAny(*, source: Anything) -> UI:
    """Show any value as text.

    Args:
        source: The value.
    """
    return UI(text=[_as_text(source)])


def _as_text(value: Any) -> str:
    if value is None or isinstance(value, str | int | float | bool):
        return str(value)
    try:
        return json.dumps(value)
    except (TypeError, ValueError):
        return str(value)
