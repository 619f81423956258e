"""What a drawing shows of a value."""

from __future__ import annotations

import json
from typing import Any

from weft.engine.workflow.prompt import unwrapped

LONG = 60
"""Letters of a text of an unknown class that are shown in several lines."""

_MOST = 100_000


def value_text(value: Any) -> str:
    """The value as the editor shows it: texts as they are, the rest as JSON."""
    value = unwrapped(value)
    if isinstance(value, str):
        return value[:_MOST]
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    try:
        return json.dumps(value, ensure_ascii=False)[:_MOST]
    except (TypeError, ValueError):
        return str(value)[:_MOST]


def is_long(value: Any) -> bool:
    """Whether a text wants several lines."""
    return isinstance(value, str) and (len(value) > LONG or "\n" in value.strip())
