"""A scene as a Mermaid flowchart, which GitHub, GitLab and editors of Markdown draw."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from weft.engine.drawing.colors import PLAIN_LINK, TYPES
from weft.engine.drawing.marks import STATES, Marking, Marks
from weft.engine.drawing.scene import Area, DrawnGroup, DrawnLink, DrawnNode, Form, Scene
from weft.engine.drawing.typesetting import ELLIPSIS, clean, on_one_line

MOST_CHARACTERS, MOST_LINKS = 50_000, 500
"""What Mermaid draws where nobody raised its limits."""

_LONGEST_VALUE, _LONGEST_NOTE, _MOST_VALUES = 40, 200, 12
_SPECIAL = re.compile(r"[^\w \-.,:/()=+…→]")
_INDENT = "  "


def markdown(scene: Scene, *, marks: Marks | None = None) -> str:
    """The flowchart in a fenced block, below the scene's title."""
    title = on_one_line(clean(scene.title)).replace("`", "'")
    return (f"# {title}\n\n" if title else "") + f"```mermaid\n{mermaid(scene, marks=marks)}```\n"


def mermaid(scene: Scene, *, marks: Marks | None = None) -> str:
    """The flowchart alone: nodes with their values, types on links, groups and subgraphs as frames."""
    chart = _Chart(marks or {})
    return "\n".join(["flowchart LR", *chart.lines(scene), *chart.styles()]) + "\n"


def beyond(chart: str, scene: Scene) -> str:
    """What keeps Mermaid from drawing the chart where nobody raised its limits; empty for nothing."""
    links = sum(1 for _ in scene.all_links())
    if links > MOST_LINKS:
        return f"Mermaid draws up to {MOST_LINKS} links unless maxEdges says more, and these are {links:,}"
    if len(chart) > MOST_CHARACTERS:
        return f"Mermaid draws up to {MOST_CHARACTERS:,} characters unless maxTextSize says more: {len(chart):,} here"
    return ""


class _Chart:
    def __init__(self, marks: Marks) -> None:
        self.marking = Marking(marks)
        self.names: dict[str, str] = {}
        self.colors: dict[str, list[int]] = {}
        self.classes: dict[str, list[str]] = {}
        self.links = 0
        self.frames = 0

    def lines(self, scene: Scene) -> Iterator[str]:
        yield from self.scene(scene, _INDENT)
        for inset in scene.insets:
            self.frames += 1
            yield f'{_INDENT}subgraph inside{self.frames}["{_escaped(_cut(inset.title))}"]'
            yield from self.scene(inset, _INDENT * 2)
            yield f"{_INDENT}end"

    def scene(self, scene: Scene, indent: str) -> Iterator[str]:
        homes = _homes(scene)
        below: dict[int | None, list[int]] = {}
        for at, home in homes.groups.items():
            below.setdefault(home, []).append(at)

        def group(at: int, inner: str) -> Iterator[str]:
            self.frames += 1
            yield f'{inner}subgraph group{self.frames}["{_escaped(_cut(scene.groups[at].title) or "Group")}"]'
            yield from content(at, inner + _INDENT)
            yield f"{inner}end"

        def content(at: int | None, inner: str) -> Iterator[str]:
            for name, node in scene.nodes.items():
                if homes.nodes.get(name) == at:
                    yield inner + self.node(node)
            for each in below.get(at, ()):
                if each in homes.used:
                    yield from group(each, inner)

        yield from content(None, indent)
        for link in scene.links:
            yield indent + self.link(link, scene)

    def node(self, node: DrawnNode) -> str:
        name = self.names[node.id] = self.name(node.id)
        mark = self.marking.of(node)
        for style in (node.mode, f"is-{mark.state}" if mark is not None else ""):
            if style:
                self.classes.setdefault(style, []).append(name)
        label = "<br/>".join(_escaped(line) for line in _label(node))
        if node.form is Form.REROUTE:
            return f'{name}(("{_escaped(_cut(node.title))}"))'
        if node.form is Form.NOTE:
            self.classes.setdefault("note", []).append(name)
        left, right = ("[[", "]]") if node.inset else ("([", "])") if node.form is Form.PANEL else ("[", "]")
        return f'{name}{left}"{label}"{right}'

    def name(self, node_id: str) -> str:
        """A name that a flowchart takes, and no other node has."""
        name = "n" + re.sub(r"[^A-Za-z0-9]", "_", node_id)
        taken = set(self.names.values())
        return name if name not in taken else next(f"{name}_{n}" for n in range(2, 10**6) if f"{name}_{n}" not in taken)

    def link(self, link: DrawnLink, scene: Scene) -> str:
        color = TYPES.get(link.io_type, PLAIN_LINK)[0]
        self.colors.setdefault(color, []).append(self.links)
        self.links += 1
        slot = scene.nodes[link.target].inputs[link.input].shown
        said = link.io_type if slot.lower() in (link.io_type.lower(), "") else f"{slot}: {link.io_type}"
        arrow = "-.->" if link.implicit else "-->"
        return f'{self.names[link.source]} {arrow}|"{_escaped(_cut(said))}"| {self.names[link.target]}'

    def styles(self) -> Iterator[str]:
        for color, numbers in self.colors.items():
            yield f"{_INDENT}linkStyle {','.join(map(str, numbers))} stroke:{color},stroke-width:2px"
        looks: Mapping[str, str] = {
            "muted": "opacity:0.45",
            "bypassed": "fill:#5f2a6b,color:#ffffff,opacity:0.7",
            "note": "fill:#fff7d6,stroke:#d8c98a,color:#333333",
        }
        for style, names in self.classes.items():
            look = looks.get(style) or f"stroke:{STATES[style.removeprefix('is-')].light},stroke-width:3px"
            yield f"{_INDENT}classDef {style} {look}"
            yield f"{_INDENT}class {','.join(names)} {style}"


@dataclass
class _Homes:
    """The innermost group around each node and each group, and the groups that hold any node."""

    nodes: dict[str, int] = field(default_factory=dict)
    groups: dict[int, int | None] = field(default_factory=dict)
    used: set[int] = field(default_factory=set)


def _homes(scene: Scene) -> _Homes:
    found = _Homes()
    smallest = sorted(range(len(scene.groups)), key=lambda at: _size(scene.groups[at]))
    for place, at in enumerate(smallest):
        area = scene.groups[at].area
        outer = (each for each in smallest[place + 1 :] if _holds(scene.groups[each], area))
        found.groups[at] = next(outer, None)
    for name, node in scene.nodes.items():
        home = next((at for at in smallest if _holds(scene.groups[at], node.area)), None)
        if home is not None:
            found.nodes[name] = home
        while home is not None and home not in found.used:
            found.used.add(home)
            home = found.groups[home]
    return found


def _size(group: DrawnGroup) -> float:
    return group.area.width * group.area.height


def _holds(group: DrawnGroup, area: Area) -> bool:
    """Whether the middle of an area is in a group, as the editor has it."""
    return group.area.holds(area.x + area.width / 2, area.y + area.height / 2)


def _label(node: DrawnNode) -> Iterator[str]:
    """Title, class and values, a line each."""
    if node.form is Form.PANEL:
        yield on_one_line(node.title)
        return
    yield f"{_cut(node.title)} #{node.id}"
    if node.class_type and node.class_type != node.title and node.form is Form.BOX:
        yield _cut(node.class_type)
    longest = _LONGEST_NOTE if node.form is Form.NOTE else _LONGEST_VALUE
    for widget in node.widgets[:_MOST_VALUES]:
        value = _cut(widget.value, longest)
        if value and not widget.linked:
            yield f"{_cut(widget.shown)}: {value}" if widget.name and node.form is not Form.NOTE else value
    if len(node.widgets) > _MOST_VALUES:
        yield f"and {len(node.widgets) - _MOST_VALUES} more"


def _cut(words: str, longest: int = 80) -> str:
    """Words on one line, no longer than that."""
    words = on_one_line(words)
    return words if len(words) <= longest else words[: longest - 1] + ELLIPSIS


def _escaped(words: str) -> str:
    """Words inside quotes: whatever might mean something there is written as its number."""
    return _SPECIAL.sub(lambda match: f"#{ord(match[0])};", clean(words))
