"""Pictures of unfinished results, for clients: shrunk, encoded once, in the form that each takes."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import Any

from weft.engine.serving.sockets import JPEG, PNG, Flags, Sockets, described_frame, preview_frame

SIDE = 512
"""Pixels that a side of a preview has at most."""
METADATA = "supports_preview_metadata"
"""The feature flag of clients that want to know what a picture is of."""


def send_preview(
    sockets: Sockets,
    client_id: str | None,
    image: Any,
    metadata: Mapping[str, Any],
    step: Callable[[], None] = lambda: None,
    *,
    plain: bool = True,
) -> None:
    """Send a PIL image to a client, or to all; nothing is encoded where nobody watches.

    `plain`: also to clients that do not ask what a picture is of.

    `step` tells of the step that it is of: as ComfyUI does, after the picture to clients that want to know what it is
    of, before it to others.
    """
    flags = sockets.flags(client_id)
    if not (flags if plain else any(map(knows_metadata, flags))):
        return step()
    content, form = encoded(image)
    described, bare = described_frame(content, form, metadata), preview_frame(content, form)
    sockets.tell(lambda flags: described if knows_metadata(flags) else None, client_id, needed=False)
    step()
    if plain:
        sockets.tell(lambda flags: None if knows_metadata(flags) else bare, client_id, needed=False)


def knows_metadata(flags: Flags) -> bool:
    """Whether a client takes pictures with what they are of."""
    return flags.get(METADATA) is True


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
