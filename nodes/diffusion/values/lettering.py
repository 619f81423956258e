"""Texts in boxes: in the largest letters that let them stay inside, broken into lines where that helps.

The font, Adobe's Source Sans Pro (Latin, Greek, Cyrillic), comes with the package font-source-sans-pro, so that every
machine draws the same. Without torch.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from weft.nodes.diffusion.errors import DiffusionError

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFont import FreeTypeFont

PAPER, INK = (255, 255, 255, 255), (24, 24, 24, 255)
SMALLEST_FONT = 8
LARGEST_FONT = 48  # at cells of 512 pixels
FILLED = 0.9  # of the box around a label
ELLIPSIS = "..."
_WORDS = re.compile(r"\S+\s*")
# Where a word may be broken that is too long for a line, as names of files are; numbers stay whole.
_BREAKS = re.compile(r"(?<=[_/])|(?<=[-.,;:(])(?=[^\W\d])")


def largest_font(width: int) -> int:
    """The size of the letters beside a picture of this width, where nothing asks for smaller ones."""
    return max(SMALLEST_FONT, LARGEST_FONT * width // 512)


def common_font(labels: Sequence[str], box: tuple[int, int], largest: int) -> int:
    """The size of the labels of an axis: that of the longest, but one far longer than the others is alone smaller."""
    width, height = (int(side * FILLED) for side in box)
    sizes = [int(fitted(text, width, height, largest)[0].size) for text in labels]
    return max(min((size for size in sizes if size > SMALLEST_FONT), default=largest), 2 * largest // 3)


def write(
    canvas: Image, text: str, corner: tuple[int, int], box: tuple[int, int], largest: int, turned: bool = False
) -> None:
    """Centre a text in a box: in the largest letters that let it stay inside, broken into lines where that helps."""
    from PIL import Image, ImageDraw

    width, height = box
    if not text.strip() or min(width, height) < 1:
        return
    paper = Image.new("RGBA", (width, height), PAPER)
    font, lines = fitted(text, int(width * FILLED), int(height * FILLED), largest)
    ImageDraw.Draw(paper).multiline_text(
        (width / 2, height / 2), "\n".join(lines), fill=INK, font=font, anchor="mm", align="center"
    )
    canvas.paste(paper.transpose(Image.Transpose.ROTATE_90) if turned else paper, corner)


def fitted(text: str, width: int, height: int, largest: int) -> tuple[FreeTypeFont, list[str]]:
    """The font and the lines in which a text fits into a box; its end is cut off where none does."""
    for size in range(largest, SMALLEST_FONT - 1, -1):
        font = font_of(size)
        lines = wrapped(text, font, width, whole_words=size > SMALLEST_FONT)
        if lines is not None and len(lines) * line_height(font) <= height:
            return font, lines
    # Too long even so: as much of it as there is room for.
    font = font_of(SMALLEST_FONT)
    lines = wrapped(text, font, width, whole_words=False) or [text]
    kept = lines[: max(1, height // line_height(font))]
    if len(kept) < len(lines):
        kept[-1] = kept[-1][: -len(ELLIPSIS)] + ELLIPSIS
    return font, kept


def wrapped(text: str, font: FreeTypeFont, width: int, whole_words: bool) -> list[str] | None:
    """The text in lines of this width; None where a part of it does not fit into one and must stay whole."""
    lines: list[str] = []
    for word in _WORDS.findall(text):
        # A word that has room on a line of its own is not broken.
        for part in [word] if font.getlength(word.rstrip()) <= width else _BREAKS.split(word):
            joined = lines[-1] + part if lines else part
            if font.getlength(joined.rstrip()) <= width:
                lines[-1:] = [joined]
                continue
            if whole_words and font.getlength(part.rstrip()) > width:
                return None
            while part:
                count = next((n for n in range(len(part), 1, -1) if font.getlength(part[:n].rstrip()) <= width), 1)
                lines.append(part[:count])
                part = part[count:]
    return [line.strip() for line in lines]


def line_height(font: FreeTypeFont) -> int:
    """Pixels from one line to the next."""
    ascent, descent = font.getmetrics()
    return ascent + descent


@lru_cache(maxsize=64)
def font_of(size: int) -> FreeTypeFont:
    """The font in a size. Raises DiffusionError where its package is missing."""
    from PIL import ImageFont

    # Found, never imported: it is data.
    package = find_spec("font_source_sans_pro")
    if package is None or package.origin is None:
        raise DiffusionError("the package font-source-sans-pro is not installed: pip install weft installs it")
    return ImageFont.truetype(Path(package.origin).parent / "files" / "SourceSansPro-Regular.ttf", size)
