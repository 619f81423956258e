"""What saves of the packs' nodes hold beside what their classes declare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from weft.engine.schema.frontend import Handling


def _lora_rows(values: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """The rows of a saved Power Lora Loader by the names under which they are sent: lora_1, lora_2, ..."""
    rows = [value for _, value in values if isinstance(value, Mapping) and "lora" in value]
    return {f"lora_{number}": row for number, row in enumerate(rows, 1)}


OF_FORMATS = frozenset(
    [
        "pix_fmt",
        "crf",
        "save_metadata",
        "trim_to_audio",
        "profile",
        "input_color_depth",
        "bitrate",
        "megabit",
        "lossless",
        "dither",
    ]
)
"""What the formats of VHS_VideoCombine bring."""


def _of_formats(values: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """What the format of a saved VHS_VideoCombine brought: it saves its widgets by name."""
    return {name: value for name, value in values if name in OF_FORMATS}


# What they showed last is saved, too.
_DISPLAYS = (
    "Display Any (rgthree)", "Display Int (rgthree)", "Image Comparer (rgthree)", "MaskPreview+",
    "MathExpression|pysssss", "ShowText|pysssss", "StringFunction|pysssss", "easy showAnything",
)  # fmt: skip

CLASSES: Mapping[str, Handling] = {
    "Power Lora Loader (rgthree)": Handling(makes=_lora_rows),
    "VHS_VideoCombine": Handling(makes=_of_formats, fills_in=True),
    "VHS_LoadVideo": Handling(keeps_more=True),
    **dict.fromkeys(_DISPLAYS, Handling(keeps_more=True)),
}
