"""The page of `weft diff --html`: what differs, and both graphs with marks; one file that asks for nothing outside."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from html import escape
from importlib.resources import files

from weft.engine.comparing.graphs import ADDED, REMOVED
from weft.engine.comparing.workflows import DiffSide, WorkflowDiff
from weft.engine.drawing.marks import Mark
from weft.engine.drawing.sources import scene_of
from weft.engine.drawing.stylesheet import AUTO, stylesheet
from weft.engine.drawing.svg import svg
from weft.engine.errors import one_line
from weft.engine.schema.registry import Registry
from weft.engine.terminal.differences import of_node, summary
from weft.engine.terminal.streams import Line

Marks = dict[str | tuple[str, str], Mark]


def page(found: WorkflowDiff, registry: Registry) -> str:
    """The page as HTML. Raises InvalidWorkflow where a workflow cannot be drawn."""
    title = escape(one_line(f"{found.before.name} and {found.now.name}"))
    before, now = _marks(found)
    graphs = [_graph("before", found.before, before, registry), _graph("now", found.now, now, registry)]
    told = escape(one_line(summary(found))) if found.differs else "They mean the same."
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>{title}</title>
<style>
{stylesheet(AUTO)}
{_asset("diffpage.css")}</style>
</head>
<body>
<nav>
<h1>{title}</h1>
<p>{told}</p>
{"".join(_entries(found))}</nav>
<main>
{"".join(graphs)}</main>
<script>
{_asset("diffpage.js")}</script>
</body>
</html>
"""


def _entries(found: WorkflowDiff) -> Iterator[str]:
    """What differs, node by node; a click leads to the node in both graphs."""
    for first, group in found.by_node():
        lines = "".join(f"<span>{_line(line)}</span>\n" for line in of_node(found, first, group))
        yield f'<button data-old="{escape(first.old)}" data-new="{escape(first.new)}">{lines}</button>\n'


def _line(line: Line) -> str:
    parts = [(part, "") if isinstance(part, str) else part for part in line]
    return "".join(f'<b class="{style}">{escape(text)}</b>' if style else escape(text) for text, style in parts)


def _marks(found: WorkflowDiff) -> tuple[Marks, Marks]:
    """What the two graphs show of each node and each input that differs."""
    before: Marks = {}
    now: Marks = {}
    for each in found.differences:
        if each.kind == REMOVED:
            before[each.old] = Mark("removed")
        elif each.kind == ADDED:
            now[each.new] = Mark("added")
        elif each.change is None or each.kind == "class":
            before[each.old] = now[each.new] = Mark("changed", each.kind)
        else:
            for marks, node_id in ((before, each.old), (now, each.new)):
                marks.setdefault(node_id, Mark("changed"))
                marks[node_id, each.change.input] = Mark("changed")
    return before, now


def _graph(name: str, side: DiffSide, marks: Marks, registry: Registry) -> str:
    """One of the two graphs with its caption; nothing of a side that is not there."""
    caption = f"<figcaption>{escape(one_line(side.name))}</figcaption>"
    if not side.prompt.nodes and side.workflow is None:
        return f'<figure id="{name}">{caption}</figure>\n'
    scene, _ = scene_of(side.workflow or side.prompt, registry, title=side.name)
    return f'<figure id="{name}">{caption}{svg(scene, theme=AUTO, marks=marks, styled=False)}</figure>\n'


@cache
def _asset(name: str) -> str:
    return (files(__package__) / name).read_text(encoding="utf-8")
