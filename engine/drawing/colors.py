"""Colours: of link types, as ComfyUI's editor publishes them; of a drawing's parts, dark and light; of marks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

TYPES: Mapping[str, tuple[str, str]] = {
    "CLIP": ("#FFD500", "#D48806"),
    "CLIP_VISION": ("#A8DADC", "#5C6BC0"),
    "CLIP_VISION_OUTPUT": ("#AD7452", "#8D6E63"),
    "CONDITIONING": ("#FFA931", "#E65100"),
    "CONTROL_NET": ("#6EE7B7", "#2E9E6B"),
    "GUIDER": ("#66FFFF", "#0097A7"),
    "IMAGE": ("#64B5F6", "#1E88E5"),
    "LATENT": ("#FF9CF9", "#AB47BC"),
    "MASK": ("#81C784", "#43A047"),
    "MODEL": ("#B39DDB", "#7E57C2"),
    "NOISE": ("#B0B0B0", "#757575"),
    "SAMPLER": ("#ECB4B4", "#C2185B"),
    "SIGMAS": ("#CDFFCD", "#558B2F"),
    "STYLE_MODEL": ("#C2FFAE", "#7CB342"),
    "TAESD": ("#DCC274", "#A68A2B"),
    "VAE": ("#FF6E6E", "#E53935"),
}
"""By type: on a dark ground as the editor has it, and on a light one."""

PLAIN_LINK = ("#99AA99", "#7A857A")
"""Of every other type."""


class Theme(NamedTuple):
    """The colours of a drawing's parts."""

    ground: str
    paper: str
    title: str
    edge: str
    text: str
    dim: str
    heading: str
    field: str
    value: str
    group: str
    group_text: str


THEMES: Mapping[str, Theme] = {
    "dark": Theme(
        ground="#222222", paper="#353535", title="#2b2b2b", edge="#4c4c4c", text="#c4c4c4", dim="#9d9d9d",
        heading="#ececec", field="#222222", value="#e2e2e2", group="#3f5159",
        group_text="#e6e6e6",
    ),
    "light": Theme(
        ground="#eeeeee", paper="#fbfbfb", title="#e4e4e6", edge="#b9b9bd", text="#3c3c40", dim="#6a6a70",
        heading="#1c1c20", field="#f0f0f2", value="#1c1c20", group="#a9bcc6",
        group_text="#1c1c20",
    ),
}  # fmt: skip


MODES: Mapping[str, str] = {"bypassed": "#5f2a6b", "muted": "#4a4a4a"}
"""The paper of nodes that do not run: purple as in the editor, and grey."""

_HEX = re.compile(r"#(?:[0-9a-fA-F]{3}|[0-9a-fA-F]{6})")
_NAMED = {"black": "#000000", "white": "#ffffff", "red": "#ff0000", "green": "#008000", "blue": "#0000ff"}


def color_of(value: object) -> str:
    """A colour of a save as `#rgb` or `#rrggbb`; empty for what is none."""
    if not isinstance(value, str):
        return ""
    text = _NAMED.get(value.strip().lower(), value.strip())
    if re.fullmatch(r"#(?:[0-9a-fA-F]{4}|[0-9a-fA-F]{8})", text):
        text = text[: len(text) // 4 * 3 + 1]  # without how opaque it is
    return text if _HEX.fullmatch(text) else ""


def is_dark(color: str) -> bool:
    """Whether light letters are read better on it."""
    digits = color[1:] if len(color) == 7 else "".join(digit * 2 for digit in color[1:])
    red, green, blue = (int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4))
    light: float = 0.2126 * red**2.2 + 0.7152 * green**2.2 + 0.0722 * blue**2.2
    return light < 0.2
