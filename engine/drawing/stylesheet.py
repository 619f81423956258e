"""The styles of a drawing: every colour and every font stands here, by class; all below `.weft-graph`."""

from __future__ import annotations

from collections.abc import Iterator

from weft.engine.drawing.bodies import TEXT_SIZE, TITLE_SIZE
from weft.engine.drawing.colors import PLAIN_LINK, THEMES, TYPES, Theme
from weft.engine.drawing.marks import STATES

FONTS = '"Source Sans Pro",Arial,"Liberation Sans",Helvetica,sans-serif'
AUTO = "auto"
THEME_NAMES = (*THEMES, AUTO)
"""`auto` is what the reader's system prefers."""


def stylesheet(theme: str = "dark") -> str:
    """The styles as CSS."""
    if theme == AUTO:
        dark = "\n".join(_colors("dark"))
        return "\n".join([*_shapes(), *_colors("light"), "@media (prefers-color-scheme:dark){", dark, "}"])
    return "\n".join([*_shapes(), *_colors(theme)])


def type_class(io_type: str) -> str:
    """The class of a link or dot of a type; empty where the type has no colour of its own."""
    return f"t-{io_type}" if io_type in TYPES else ""


def _rule(selector: str, style: str) -> str:
    return ",".join(f".weft-graph {each}" for each in selector.split(",")) + "{" + style + "}"


def _shapes() -> Iterator[str]:
    """What does not depend on the theme."""
    yield _rule("text", f"font:{TEXT_SIZE:.0f}px {FONTS};white-space:pre")
    yield _rule(".h", f"font-size:{TITLE_SIZE:.0f}px")
    yield _rule(".i", "font-size:11px")
    yield _rule(".i,.o,.v", "text-anchor:end")
    yield _rule(".m", "text-anchor:middle")
    yield _rule(".link", "fill:none;stroke-width:2.5")
    yield _rule(".implicit", "stroke-width:1.5;stroke-dasharray:5 5")
    yield _rule(".pills", "fill:none;stroke-width:20;stroke-linecap:round")
    yield _rule(".dots", "fill:none;stroke-width:9;stroke-linecap:round")
    yield _rule(".muted text,.bypassed text,.muted .dots,.bypassed .dots", "opacity:.7")
    yield _rule(".unknown>.body", "stroke-dasharray:6 4")
    yield _rule(".mark", "fill:none;stroke-width:3")
    yield _rule(".group rect", "fill-opacity:.25;stroke-opacity:.6")
    yield _rule(".is-removed>.body", "stroke-dasharray:6 4")


def _colors(name: str) -> Iterator[str]:
    theme: Theme = THEMES[name]
    at = list(THEMES).index(name)
    yield _rule(".ground", f"fill:{theme.ground}")
    yield _rule("text", f"fill:{theme.text}")
    yield _rule(".h", f"fill:{theme.heading}")
    yield _rule(".i,.n text", f"fill:{theme.dim}")
    yield _rule(".v text,.w", f"fill:{theme.value}")
    yield _rule("text.linked", f"fill:{theme.dim};font-style:italic")
    yield _rule(".body", f"fill:{theme.paper};stroke:{theme.edge}")
    yield _rule(".head", f"fill:{theme.title}")
    yield _rule(".fields", f"fill:{theme.field}")
    yield _rule(".pills", f"stroke:{theme.field}")
    yield _rule(".link,.dots", f"stroke:{PLAIN_LINK[at]}")
    yield _rule(".group rect,.inset>rect", f"fill:{theme.group};stroke:{theme.group}")
    yield _rule(".inset>rect", f"fill:{theme.ground}")
    yield _rule(".group text,.inset>text", f"fill:{theme.group_text}")
    # On paper of a node's own, letters are light or dark as the paper asks, whatever the theme.
    yield _rule(".on-dark text", f"fill:{THEMES['dark'].value}")
    yield _rule(".on-light text", f"fill:{THEMES['light'].value}")
    yield _rule(".title-dark .h,.title-dark .i", f"fill:{THEMES['dark'].heading}")
    yield _rule(".title-light .h,.title-light .i", f"fill:{THEMES['light'].heading}")
    yield _rule(".own .fields", "fill:#000;fill-opacity:.25")
    yield _rule(".own .pills", "stroke:#000;stroke-opacity:.25")
    for io_type, colors in TYPES.items():
        yield _rule(f".t-{io_type}", f"stroke:{colors[at]}")
    for state, (_, *shades) in STATES.items():
        yield _rule(f".is-{state}>.mark,.link.is-{state}", f"stroke:{shades[at]}")
        yield _rule(f"text.is-{state}", f"fill:{shades[at]}")
        for paper, shade in zip(("dark", "light"), shades, strict=True):
            yield _rule(f".on-{paper} text.is-{state}", f"fill:{shade}")
        yield _rule(f".swatch.is-{state}", f"fill:none;stroke:{shades[at]};stroke-width:3")
