"""A scene in the format that is asked for."""

from __future__ import annotations

from weft.engine.drawing.marks import Marks
from weft.engine.drawing.scene import Scene
from weft.engine.drawing.stylesheet import THEME_NAMES
from weft.engine.errors import UsageError, did_you_mean

FORMATS = ("svg", "png", "html", "md")


def drawn(
    scene: Scene, to: str, *, theme: str = "dark", marks: Marks | None = None, scale: float | None = None
) -> bytes:
    """The drawing as a file has it, in one of FORMATS. `scale` is a png's.

    Raises UsageError for another format or theme, and for too large a picture.
    """
    for name, given, known in (("to", to, FORMATS), ("theme", theme, THEME_NAMES)):
        if given not in known:
            raise UsageError(f"{name}={given!r}: expected {', '.join(known)}", hint=did_you_mean(given, known))
    if to == "md":
        from weft.engine.drawing.mermaid import markdown

        return markdown(scene, marks=marks).encode()
    if to == "html":
        from weft.engine.drawing.page import page

        return page(scene, theme=theme, marks=marks).encode()
    from weft.engine.drawing.svg import svg

    text = svg(scene, theme=theme, marks=marks)
    if to == "svg":
        return text.encode()
    from weft.engine.drawing.png import png

    return png(text, scale=scale)
