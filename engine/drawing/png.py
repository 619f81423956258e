"""A drawing as PNG, by resvg."""

from __future__ import annotations

import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from weft.engine.errors import UsageError

MOST_SIDE = 16_384
"""Pixels of a side of a picture; more than that, few programs open."""

MOST_PIXELS = 120_000_000

_USUAL_SIDE = 8192
_SIZE = re.compile(r'<svg [^>]*? width="(\d+)" height="(\d+)"')
_OWN = re.compile("[\x00-\u024f\u0370-\u052f\u1e00-\u1eff\u2010-\u2026\u2190-\u2193\ufffd]*")


def png(svg: str, *, scale: float | None = None) -> bytes:
    """The picture of a drawing, the same bytes wherever its letters are Latin, Greek or Cyrillic.

    `scale` is pixels for each unit; without it, 1, or what a picture of a usual size takes. Raises UsageError for one
    that makes the picture larger than `MOST_SIDE`.
    """
    import resvg_py

    size = _SIZE.search(svg)
    assert size is not None
    width, height = int(size[1]), int(size[2])
    sides = max(width, height)
    if scale is None:
        scale = min(1.0, _USUAL_SIDE / sides)
    wide, high = max(int(width * scale), 1), max(int(height * scale), 1)
    if max(wide, high) > MOST_SIDE or wide * high > MOST_PIXELS:
        most = min(MOST_SIDE / sides, (MOST_PIXELS / (width * height)) ** 0.5)
        message = f"--scale {scale:g} makes a picture of {wide:,} x {high:,} pixels"
        raise UsageError(message, hint=f"at most {int(most * 100) / 100:g} draws this workflow")
    font = _font()
    # Looking for the fonts of a system takes time, and what it has differs.
    alone = font is not None and _OWN.fullmatch(svg) is not None
    drawn: bytes = resvg_py.svg_to_bytes(
        svg_string=svg,
        width=wide,
        height=high,
        skip_system_fonts=alone,
        font_files=[font] if font is not None else None,
        sans_serif_family="Source Sans Pro" if font is not None else None,
    )
    return drawn


@cache
def _font() -> str | None:
    """The file of the font that comes with Weft."""
    package = find_spec("font_source_sans_pro")
    for folder in package.submodule_search_locations or () if package is not None else ():
        file = Path(folder) / "files" / "SourceSansPro-Regular.ttf"
        if file.is_file():
            return str(file)
    return None
