"""Pictures that a browser takes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from weft.engine.schema.authoring import node
from weft.engine.schema.node import Seen
from weft.engine.schema.sockets import Boolean, Int, Socket
from weft.nodes.core.types import Image

Side = Annotated[int, Int(default=0, min=0, max=16384, step=1)]


def _no_browser(seen: Seen) -> Iterator[tuple[str, str]]:
    yield (
        "image",
        "a webcam is the browser's, and no browser runs here: take the picture first, and open it by LoadImage",
    )


@node(
    display_name="Webcam Capture",
    category="image",
    python_module="comfy_extras.nodes_webcam",
    check=_no_browser,
    # What a browser put there says nothing here.
    unused=lambda constants: {"image"},
)
def WebcamCapture(
    *,
    image: Annotated[Any, Socket("WEBCAM")],
    width: Side,
    height: Side,
    capture_on_queue: Annotated[bool, Boolean(default=True)],
) -> Image:
    """Refused: it takes a picture with the webcam of the editor's browser.

    Args:
        image: The picture that the browser took.
        width: Its width; 0 for the camera's own.
        height: Its height; 0 for the camera's own.
        capture_on_queue: Take it when the workflow is queued.
    """
    raise AssertionError("validation refuses it")
