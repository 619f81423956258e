"""Text: put together, and shown."""

from __future__ import annotations

import json
from typing import Annotated, Any

from weft.engine.schema.authoring import UI, node
from weft.engine.schema.sockets import String
from weft.nodes.core.types import Anything

LIBRARIES: tuple[str, ...] = ()

Part = Annotated[str, String(multiline=True)]


@node(display_name="Preview Any", category="utils", output_node=True, python_module="comfy_extras.nodes_preview_any")
def PreviewAny(*, source: Anything) -> UI:
    """Show any value as text.

    Args:
        source: The value.
    """
    return UI(text=[_as_text(source)])


@node(display_name="Concatenate", category="utils/string", python_module="comfy_extras.nodes_string")
def StringConcatenate(
    *, string_a: Part, string_b: Part, delimiter: Annotated[str, String(default="", multiline=False)]
) -> Annotated[str, String()]:
    """Put two texts together.

    Args:
        string_a: The first text.
        string_b: The second.
        delimiter: What stands between them.
    """
    return f"{string_a}{delimiter}{string_b}"


def _as_text(value: Any) -> str:
    if value is None or isinstance(value, str | int | float | bool):
        return str(value)
    try:
        return json.dumps(value)
    except (TypeError, ValueError):
        return str(value)
