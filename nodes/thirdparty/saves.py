"""What saves of the packs' nodes hold beside what their classes declare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from weft.engine.schema.frontend import Handling


def lora_rows(values: Sequence[Any]) -> dict[str, Any]:
    """The rows of a saved Power Lora Loader by the names under which they are sent: lora_1, lora_2, ..."""
    rows = [value for value in values if isinstance(value, Mapping) and "lora" in value]
    return {f"lora_{number}": row for number, row in enumerate(rows, 1)}


# What they showed last is saved, too.
_DISPLAYS = (
    "Display Any (rgthree)", "Display Int (rgthree)", "Image Comparer (rgthree)", "MaskPreview+",
    "MathExpression|pysssss", "ShowText|pysssss", "StringFunction|pysssss", "easy showAnything",
)  # fmt: skip

CLASSES: Mapping[str, Handling] = {
    "Power Lora Loader (rgthree)": Handling(makes=lora_rows),
    **dict.fromkeys(_DISPLAYS, Handling(keeps_more=True)),
}
