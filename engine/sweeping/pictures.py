"""What draws pictures of pictures. The engine knows no picture: an installed pack brings what does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol, cast

from weft.engine.errors import DefinitionError, Warn
from weft.engine.schema.packs import Packs, resolve


class SheetTile(NamedTuple):
    """A cell on a sheet: its pictures side by side, or a text in their place; a caption above."""

    files: tuple[Path, ...] = ()
    text: str = ""
    caption: str = ""


class SheetBlock(NamedTuple):
    """A grid of tiles, with labels of its columns and rows, and a heading."""

    tiles: tuple[tuple[SheetTile, ...], ...]
    columns: tuple[str, ...] = ()
    rows: tuple[str, ...] = ()
    heading: str = ""


class Pictures(Protocol):
    """See weft.nodes.diffusion.values.sheets, which is one."""

    def sheet(self, blocks: Sequence[SheetBlock]) -> bytes:
        """The blocks one below the other, as PNG."""

    def animation(self, frames: Sequence[Sequence[SheetBlock]], suffix: str, fps: float) -> bytes:
        """Sheets of one layout as `.webp`, `.gif` or `.png`. Raises ValueError for another suffix or a bad fps."""

    def reduced(self, path: Path, side: int) -> bytes | None:
        """A picture as WebP with no side longer than this; None for what is no picture."""

    def thumbnail(self, path: Path, side: int) -> tuple[int, int, bytes] | None:
        """The same, with its width and height in front."""

    def shown(self, path: Path, channel: str, form: str, quality: int) -> tuple[str, bytes] | None:
        """A picture's `channel` (rgba, rgb or a) as a file of `form` (png, webp or jpeg), and its media type.

        None for what is no picture.
        """

    def masked(self, path: Path, mask: bytes) -> bytes | None:
        """A picture with the transparency of the `mask`, a file's content, as PNG; None where one is no picture."""

    def thumbnails(self, value: Any, side: int, most: int) -> list[tuple[int, int, bytes]]:
        """The same of the first pictures or masks that are an output's value; of what is none, nothing."""


def find_pictures(packs: Packs, warn: Warn) -> Pictures | None:
    """What the packs bring, the first one that can be loaded; `warn` is told where there is none."""
    for pack in packs:
        if pack.pictures:
            try:
                return cast(Pictures, resolve(pack.pictures))
            except DefinitionError as error:
                warn(f"node pack {pack.name!r}: what draws its pictures cannot be loaded from {error.message}")
    warn("no installed pack draws pictures: there is none here")
    return None
