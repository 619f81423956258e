"""A scene in the format that is asked for."""

from __future__ import annotations

from weft.engine.drawing.marks import Marks
from weft.engine.drawing.scene import Scene
from weft.engine.drawing.stylesheet import AUTO, THEME_NAMES
from weft.engine.errors import UsageError, did_you_mean

FORMATS = ("svg", "png", "html", "md")


def drawn(
    scene: Scene, to: str, *, theme: str = "dark", marks: Marks | None = None, scale: float | None = None
) -> bytes:
    """The drawing as a file has it, in one of FORMATS. `scale` is a png's.

    Raises UsageError for another format or theme, for what does not go with it, and for too large a picture.
    """
    for name, given, known in (("to", to, FORMATS), ("theme", theme, THEME_NAMES)):
        if given not in known:
            raise UsageError(f"{name}={given!r}: expected {', '.join(known)}", hint=did_you_mean(given, known))
    if to == "png" and theme == AUTO:
        raise UsageError(f"theme={AUTO!r} leaves it to the reader, and a png is dark or light")
    if scale is not None and to != "png":
        raise UsageError(f"scale is about a png, and to={to!r}")
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
