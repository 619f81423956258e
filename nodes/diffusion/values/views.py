"""Pictures as a browser is shown them: one channel, a smaller form, a transparency painted by hand. Without torch."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from weft.nodes.diffusion.quiet import QUIET

if TYPE_CHECKING:
    from PIL.Image import Image

_FORMS = {"png": "image/png", "webp": "image/webp", "jpeg": "image/jpeg"}


def shown(path: Path, channel: str = "rgba", form: str = "png", quality: int = 90) -> tuple[str, bytes] | None:
    """A picture's channels as a file of a form, png, webp or jpeg, and its media type; None for what is no picture.

    `channel` is rgba, rgb (what is transparent is seen) or a (black, as transparent as the picture is). A form that is
    none of these is webp. `quality` is from 1 to 100.
    """
    form = form if form in _FORMS else "webp"

    def drawn(picture: Image) -> bytes:
        if channel == "a":
            picture = _alpha_alone(picture)
        elif channel == "rgb" or form == "jpeg":
            picture = picture.convert("RGB")
        elif picture.mode not in ("RGB", "RGBA"):
            picture = picture.convert("RGBA")
        options: dict[str, Any] = {} if form == "png" else {"quality": min(max(quality, 1), 100)}
        return _saved(picture if form != "jpeg" else picture.convert("RGB"), form, **options)

    content = _read(path, drawn)
    return None if content is None else (_FORMS[form], content)


def masked(path: Path, mask: bytes) -> bytes | None:
    """A picture with the transparency of the `mask`, a picture file of its size, as PNG with what the picture said.

    None where one of the two is no picture, or their sizes differ.
    """
    from PIL.PngImagePlugin import PngInfo

    def drawn(picture: Image) -> bytes | None:
        alpha = _read(io.BytesIO(mask), lambda found: found.convert("RGBA").getchannel("A"))
        if alpha is None or alpha.size != picture.size:
            return None
        said = PngInfo()
        for name, text in picture.info.items():
            if isinstance(name, str) and isinstance(text, str):
                said.add_text(name, text)
        result = picture.convert("RGBA")
        result.putalpha(alpha)
        return _saved(result, "png", pnginfo=said, compress_level=4)

    content: bytes | None = _read(path, drawn)
    return content


def _alpha_alone(picture: Image) -> Image:
    from PIL import Image

    found = Image.new("RGBA", picture.size)
    found.putalpha(picture.convert("RGBA").getchannel("A"))
    return found


def _read(file: Path | BinaryIO, use: Callable[[Image], Any]) -> Any:
    """What is made of the first frame of a picture file; None for what is none, is damaged or is too large."""
    from PIL import Image

    with QUIET:
        try:
            with Image.open(file) as picture:
                return use(picture)
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            return None


def _saved(picture: Image, form: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, form.upper(), **options)
    return stream.getvalue()
