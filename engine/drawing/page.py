"""A drawing as a page to move about in: one file, which asks for nothing outside of it."""

from __future__ import annotations

import base64
import gzip
from collections.abc import Iterator
from functools import cache
from html import escape
from importlib.resources import files

from weft.engine.drawing.colors import THEMES
from weft.engine.drawing.marks import Marks
from weft.engine.drawing.scene import Scene
from weft.engine.drawing.stylesheet import AUTO
from weft.engine.drawing.svg import svg
from weft.engine.drawing.typesetting import clean, on_one_line

LARGE = 300_000
"""Characters of a drawing that a page does not have as they are."""


def page(scene: Scene, *, theme: str = "dark", marks: Marks | None = None) -> str:
    """The page as HTML: the drawing fills it, and is moved and scaled; whole values are in tooltips."""
    title = escape(clean(on_one_line(scene.title))) or "workflow"
    nodes, links = sum(1 for _ in scene.all_nodes()), sum(1 for _ in scene.all_links())
    counts = f"{nodes} node{'s' if nodes != 1 else ''}, {links} link{'s' if links != 1 else ''}"
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>{title}</title>
<style>
{"".join(_variables(theme))}{_asset("page.css")}</style>
</head>
<body>
<header>
<h1>{title}<small>{counts}</small></h1>
<input id="find" type="search" placeholder="Find a node" aria-label="Find a node">
<button id="out" aria-label="smaller" title="smaller (-)">&minus;</button>
<button id="in" aria-label="larger" title="larger (+)">+</button>
<button id="fit" title="all of it (F)">Fit</button>
</header>
{_packed(svg(scene, theme=theme, marks=marks))}<div id="tip" role="tooltip"></div>
<script>
{_asset("page.js")}</script>
</body>
</html>
"""


def _packed(drawing: str) -> str:
    """The drawing as it is; a large one as text that the page's script unpacks."""
    if len(drawing) <= LARGE:
        return drawing
    content = base64.b64encode(gzip.compress(drawing.encode(), mtime=0)).decode()
    return (
        "<noscript><p>The drawing is in this file, and a script shows it.</p></noscript>\n"
        f'<script type="text/plain" id="packed">{content}</script>\n'
    )


def _variables(theme: str) -> Iterator[str]:
    """The colours of what is around the drawing."""
    if theme == AUTO:
        yield from _variables("light")
        yield "@media (prefers-color-scheme: dark) {\n"
        yield from _variables("dark")
        yield "}\n"
        return
    found = THEMES[theme]
    bar = f"--bar: {found.paper}; --line: {found.edge}"
    yield f":root {{ --ground: {found.ground}; --text: {found.heading}; {bar}; color-scheme: {theme}; }}\n"


@cache
def _asset(name: str) -> str:
    return (files(__package__) / name).read_text(encoding="utf-8")
