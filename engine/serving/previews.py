"""Pictures of unfinished results, for clients: shrunk, encoded once, in the form that each takes."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

from weft.engine.serving.sockets import JPEG, PNG, Flags, Sockets, described_frame, preview_frame

SIDE = 512
"""Pixels that a side of a preview has at most."""
METADATA = "supports_preview_metadata"
"""The feature flag of clients that want to know what a picture is of."""


def send_preview(sockets: Sockets, client_id: str | None, image: Any, metadata: Mapping[str, Any]) -> None:
    """Send a PIL image to a client, or to all; nothing is encoded where nobody watches."""
    if not sockets.flags(client_id):
        return
    content, form = encoded(image)
    plain, described = preview_frame(content, form), described_frame(content, form, metadata)

    def render(flags: Flags) -> bytes:
        return described if flags.get(METADATA) is True else plain

    sockets.tell(render, client_id, needed=False)


def encoded(image: Any, side: int = SIDE) -> tuple[bytes, int]:
    """A PIL image as a file, no side longer than this, and its format; what is transparent stays so."""
    see_through = image.mode in ("RGBA", "LA", "PA")
    if max(image.size) > side:
        image = image.copy()
        image.thumbnail((side, side))
    stream = io.BytesIO()
    if see_through:
        image.save(stream, "PNG", compress_level=1)
        return stream.getvalue(), PNG
    (image if image.mode == "RGB" else image.convert("RGB")).save(stream, "JPEG", quality=90)
    return stream.getvalue(), JPEG
