"""Contact sheets: pictures from files in labelled grids, as a picture, or as frames of an animation. Without torch.

What a sheet is made of is plain data; the engine calls it `SheetTile` and `SheetBlock`. Everything is drawn on a white
ground; pictures are made smaller where they are large, and never enlarged.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.quiet import QUIET
from weft.nodes.diffusion.values.lettering import (
    FILLED,
    INK,
    PAPER,
    common_font,
    fitted,
    font_of,
    largest_font,
    line_height,
    write,
)
from weft.nodes.diffusion.values.views import masked as masked
from weft.nodes.diffusion.values.views import shown as shown

if TYPE_CHECKING:
    from PIL.Image import Image

Tile = tuple[tuple[Path, ...], str, str]
"""Pictures side by side; a text where they are not, and the caption above."""

Block = tuple[tuple[tuple[Tile, ...], ...], tuple[str, ...], tuple[str, ...], str]
"""Rows of tiles, the labels of columns and of rows (none: there are captions), and the heading."""

MAX_PIXELS = 40_000_000
"""Of a sheet: pictures are made smaller where it would have more."""

MAX_SIDE, MAX_ALONE = 512, 1024
"""Pixels of the longer side of a picture on a sheet, and of a frame that is one picture."""

_SMALLEST, _EMPTY, _GAP, _NOTE = 24, 128, 4, 14
_BLANK = (236, 236, 236, 255)
_LONGEST = 300  # characters of a label
_SLOWEST = {".webp": 2**24 - 1, ".gif": 655_350, ".png": 65_535}


def sheet(blocks: Sequence[Block]) -> bytes:
    """The blocks one below the other, as PNG. What cannot be read as a picture is a grey tile that says so."""
    return _saved(_Drawing([blocks]).draw(blocks), "PNG", compress_level=6)


def animation(frames: Sequence[Sequence[Block]], suffix: str, fps: float) -> bytes:
    """Sheets of one layout as an animation; a frame of one tile without any label is its picture.

    Args:
        frames: What each frame shows.
        suffix: `.webp`, `.gif` or `.png`.
        fps: Frames a second.

    Raises:
        DiffusionError: another suffix, a frame that would be shown longer than the format can say.
    """
    if suffix not in _SLOWEST:
        raise DiffusionError(f"an animation is a .webp, .gif or .png, got {suffix!r}")
    milliseconds = round(1000 / fps)
    if not 0 < milliseconds <= _SLOWEST[suffix]:
        raise DiffusionError(f"{fps} frames a second: a frame of a {suffix} is shown 1 to {_SLOWEST[suffix]:,} ms")
    drawing = _Drawing(frames)
    drawn = [drawing.draw(frame).convert("RGB") for frame in frames]
    width, height = (max(each.size[side] for each in drawn) for side in (0, 1))
    drawn = [each if each.size == (width, height) else _on_paper(each, width, height) for each in drawn]
    # As SaveAnimatedWEBP does it: lossless.
    more: dict[str, Any] = {"lossless": True, "quality": 80, "method": 4} if suffix == ".webp" else {}
    frames_after = {"save_all": True, "append_images": drawn[1:], "duration": milliseconds, "loop": 0}
    return _saved(drawn[0], suffix[1:].upper(), **frames_after, **more)


def reduced(path: Path, side: int) -> bytes | None:
    """A picture as WebP, no side longer than `side` pixels, lossless if none was; None for what is no picture."""
    found = thumbnail(path, side)
    return found[2] if found is not None else None


def thumbnail(path: Path, side: int) -> tuple[int, int, bytes] | None:
    """The same, with its width and height in pixels in front."""
    with _opened(path) as picture:
        return None if picture is None else _thumbnail(_plain(picture), side)


def thumbnails(value: Any, side: int, most: int) -> list[tuple[int, int, bytes]]:
    """The same of the first pictures [B,H,W,C] or masks [B,H,W] of a tensor; of what is none, nothing."""
    from PIL import Image

    shape = tuple(getattr(value, "shape", ()))
    if len(shape) not in (3, 4) or (len(shape) == 4 and shape[-1] not in (1, 3, 4)) or 0 in shape:
        return []
    pixels = (value[:most].detach().cpu().float().nan_to_num().clamp(0, 1) * 255).round().byte().numpy()
    pixels = pixels[..., 0] if len(shape) == 4 and shape[-1] == 1 else pixels
    return [_thumbnail(Image.fromarray(each).convert("RGBA"), side) for each in pixels]


def _thumbnail(plain: Image, side: int) -> tuple[int, int, bytes]:
    if max(plain.size) <= side:
        return *plain.size, _webp(plain.size, plain.tobytes(), True)
    width, height = (max(1, round(length * side / max(plain.size))) for length in plain.size)
    return width, height, _webp((width, height), plain.resize((width, height), _lanczos()).tobytes(), False)


@lru_cache(maxsize=16)
def _webp(size: tuple[int, int], pixels: bytes, lossless: bool) -> bytes:
    """RGBA pixels as WebP. Rows of a sweep often show the same picture, and encoding takes most of the time."""
    from PIL import Image

    options = {"lossless": True, "quality": 20, "method": 1} if lossless else {"quality": 85, "method": 3}
    return _saved(Image.frombytes("RGBA", size, pixels), "WEBP", **options)


class _Geometry(NamedTuple):
    """In pixels: a tile, the bands of labels at the left and on top, of captions and of headings."""

    width: int
    height: int
    left: int
    top: int
    caption: int
    heading: int


class _Drawing:
    """Draws sheets of one geometry: that which all of them have room in."""

    def __init__(self, sheets: Sequence[Sequence[Block]]) -> None:
        blocks = [block for each in sheets for block in each]
        tiles = [tile for rows, *_ in blocks for row in rows for tile in row]
        found = [sizes for tile in tiles if (sizes := _sizes(tile))] or [[(_EMPTY, _EMPTY)]]
        width = max(sum(each[0] for each in sizes) + _GAP * (len(sizes) - 1) for sizes in found)
        height = max(each[1] for sizes in found for each in sizes)
        longest = max(max(each) for sizes in found for each in sizes)
        count = max((sum(len(row) for rows, *_ in each for row in rows) for each in sheets), default=1)
        unlabelled = not any(block[1] or block[2] or block[3] for block in blocks) and not any(t[2] for t in tiles)
        self._is_bare = unlabelled and count == 1
        most = MAX_ALONE if self._is_bare else MAX_SIDE
        scales = ((MAX_PIXELS / (count * width * height)) ** 0.5, most / longest)
        width, height = (max(_SMALLEST, round(length * min(1.0, *scales))) for length in (width, height))
        font = font_of(max(10, min(largest_font(max(width, 160)), 28)))
        line = line_height(font)
        rows = [label for block in blocks for label in block[2]]
        widest = max((font.getlength(_line(label)) for label in rows), default=0.0)
        self._letters = int(font.size)
        self._at = _Geometry(
            width,
            height,
            left=int(min(widest + 16, max(width, 160))) if rows else 0,
            top=3 * line if any(block[1] for block in blocks) else 0,
            caption=2 * line if any(tile[2] for tile in tiles) else 0,
            heading=4 * line if any(block[3] for block in blocks) else 0,
        )

    def draw(self, blocks: Sequence[Block]) -> Image:
        """The blocks one below the other."""
        from PIL import Image

        if self._is_bare:
            return self._tile(blocks[0][0][0][0])
        drawn = [self._block(block) for block in blocks]
        width = max(block.width for block in drawn) + 2 * _GAP
        paper = Image.new("RGBA", (width, sum(block.height + _GAP for block in drawn) + _GAP), PAPER)
        y = _GAP
        for block in drawn:
            paper.paste(block, (_GAP, y))
            y += block.height + _GAP
        return paper

    def _block(self, block: Block) -> Image:
        from PIL import Image

        rows, columns, labels, heading = block
        at = self._at
        across = max(len(row) for row in rows)
        step = at.width + _GAP, at.caption + at.height + _GAP
        above = (at.heading if heading else 0) + at.top
        paper = Image.new("RGBA", (at.left + across * step[0], above + len(rows) * step[1]), PAPER)
        if heading:
            # Nearer to what it stands above, and larger than the labels.
            write(
                paper, _line(heading), (0, at.heading // 4), (paper.width, at.heading * 3 // 4), self._letters * 4 // 3
            )
        size = common_font([_line(label) for label in columns], (at.width, at.top), self._letters)
        for number, label in enumerate(columns):
            write(paper, _line(label), (at.left + number * step[0], above - at.top), (at.width, at.top), size)
        for down, row in enumerate(rows):
            y = above + down * step[1]
            if labels:
                write(paper, _line(labels[down]), (0, y), (at.left, at.height), self._letters)
            for number, tile in enumerate(row):
                x = at.left + number * step[0]
                write(paper, _line(tile[2]), (x, y), (at.width, at.caption), self._letters)
                paper.paste(self._tile(tile), (x, y + at.caption))
        return paper

    def _tile(self, tile: Tile) -> Image:
        """The pictures of a tile beside each other in the middle of it, or its text."""
        from PIL import Image

        width, height = self._at.width, self._at.height
        files, text, _ = tile
        paper = Image.new("RGBA", (width, height), PAPER if files else _BLANK)
        room = (width - _GAP * (len(files) - 1)) // max(1, len(files))
        drawn = [picture for file in files if (picture := _fitting(file, room, height)) is not None]
        if not drawn:
            _note(paper, text or "no picture", self._letters)
            return paper
        x = (width - sum(each.width for each in drawn) - _GAP * (len(drawn) - 1)) // 2
        for each in drawn:
            paper.paste(each, (x, (height - each.height) // 2), each)
            x += each.width + _GAP
        return paper


def _note(paper: Image, text: str, letters: int) -> None:
    """Write a text in the middle of a tile that has no picture."""
    from PIL import ImageDraw

    draw = ImageDraw.Draw(paper)
    draw.rectangle((0, 0, paper.width, paper.height), fill=_BLANK)
    width, height = (int(side * FILLED) for side in paper.size)
    font, lines = fitted(_line(text), width, height, min(letters, _NOTE))
    middle = paper.width / 2, paper.height / 2
    draw.multiline_text(middle, "\n".join(lines), fill=INK, font=font, anchor="mm", align="center")


def _line(text: str) -> str:
    """A text as one line of what a font can draw, not longer than anybody reads."""
    plain = "".join(letter if letter.isprintable() else " " for letter in text[: 2 * _LONGEST])
    return " ".join(plain.split())[:_LONGEST]


def _fitting(file: Path, width: int, height: int) -> Image | None:
    """The picture, made smaller where it must be."""
    with _opened(file) as picture:
        if picture is None:
            return None
        scale = min(1.0, width / picture.width, height / picture.height)
        plain = _plain(picture)
        if scale == 1.0:
            return plain
        return plain.resize((max(1, int(plain.width * scale)), max(1, int(plain.height * scale))), _lanczos())


def _sizes(tile: Tile) -> list[tuple[int, int]]:
    """Width and height of each picture of a tile."""
    sizes = []
    for file in tile[0]:
        with _opened(file) as picture:
            if picture is not None:
                sizes.append(picture.size)
    return sizes


@contextmanager
def _opened(path: Path) -> Iterator[Image | None]:
    """The first frame of a picture file; None for what is none or is damaged. It is decoded when it is used."""
    from PIL import Image

    with QUIET:
        try:
            picture = Image.open(path)
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            yield None
            return
        with picture:
            yield picture


def _plain(picture: Image) -> Image:
    """The pixels alone, as RGBA: nothing that the file says beside them. A damaged one is grey where it ends."""
    try:
        return picture.convert("RGBA")
    except (OSError, ValueError, SyntaxError):
        from PIL import Image

        return Image.new("RGBA", picture.size, _BLANK)


def _on_paper(picture: Image, width: int, height: int) -> Image:
    from PIL import Image

    paper = Image.new("RGB", (width, height), PAPER[:3])
    paper.paste(picture, (0, 0))
    return paper


def _lanczos() -> int:
    from PIL import Image

    return Image.Resampling.LANCZOS


def _saved(picture: Image, form: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, form, **options)
    return stream.getvalue()
