"""A node of one's own in one file: `weft nodes Brighten --nodes docs/examples/brighten.py`."""

from typing import Annotated

from weft.engine.schema.authoring import node
from weft.engine.schema.sockets import Float
from weft.nodes.core.types import Image


@node(display_name="Brighten", category="image")
def Brighten(*, image: Image, by: Annotated[float, Float(default=0.1, min=-1.0, max=1.0, step=0.01)]) -> Image:
    """Add to every pixel.

    Args:
        image: The pictures.
        by: What is added; the result is kept within 0 and 1.
    """
    return (image + by).clamp(0, 1)
