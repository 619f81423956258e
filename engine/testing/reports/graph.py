"""The graph of one workflow in a report: drawn as `weft render` draws it, with what became of each node."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping

from weft.engine.drawing.arranging import arranged
from weft.engine.drawing.marks import Mark
from weft.engine.drawing.scene import NOWHERE, DrawnLink, DrawnNode, DrawnSlot, DrawnWidget, Scene
from weft.engine.drawing.svg import svg
from weft.engine.drawing.values import is_long, value_text
from weft.engine.testing.records import NodeRecord
from weft.engine.testing.verdicts import BAD, CHANGED, NODE_STATES, RAN, SAME, UNSEEN, NodeVerdict

_OUTPUT = re.compile(r"(\d+) (.*)", re.DOTALL)
_MOST_OUTPUTS = 64


def graph(place: int, nodes: Iterable[NodeVerdict], records: Mapping[str, NodeRecord], begins: Collection[str]) -> str:
    """The drawing as SVG, which takes the page's styles; each node leads to its row in the table of section `place`.

    `begins` are the nodes at which differences begin. A node without a record, which is missing now, has no values.
    """
    nodes = list(nodes)
    marks: dict[str | tuple[str, str], Mark] = {}
    for node in nodes:
        state = "bad" if node.node_id in begins else _state(node)
        marks[node.node_id] = Mark(state, f"{node.where}: {NODE_STATES[node.state]}")
        marks |= {(node.node_id, each.input): Mark("changed", each.text) for each in node.changes if each.input}
    drawn = svg(_scene(nodes, records), marks=marks, address=lambda node_id: f"#w{place}-{node_id}", styled=False)
    return f'<div class="graph">{drawn}</div>'


def _scene(nodes: Iterable[NodeVerdict], records: Mapping[str, NodeRecord]) -> Scene:
    nodes = list(nodes)
    outputs = {node.node_id: _outputs(node.node_id, records) for node in nodes}
    drawn: list[DrawnNode] = []
    links: list[DrawnLink] = []
    for node in nodes:
        record = records.get(node.node_id)
        sources = record.links if record is not None else {source: (source, 0) for source in node.sources}
        inputs = []
        for at, (name, (source, slot)) in enumerate(sources.items()):
            io_type = outputs[source][slot].io_type if slot < len(outputs.get(source, ())) else "*"
            inputs.append(DrawnSlot(name if record is not None else "", io_type))
            if slot < len(outputs.get(source, ())):
                links.append(DrawnLink(source, slot, node.node_id, at, io_type))
        values = record.inputs if record is not None else {}
        widgets = [DrawnWidget(name, value_text(value), lines=is_long(value)) for name, value in values.items()]
        slots = tuple(inputs), outputs[node.node_id]
        drawn.append(DrawnNode((node.node_id,), node.title, node.class_type, NOWHERE, *slots, tuple(widgets)))
    return arranged(drawn, links)


def _outputs(node_id: str, records: Mapping[str, NodeRecord]) -> tuple[DrawnSlot, ...]:
    """What a node gave by its slots, with those that others take of it."""
    found: dict[int, DrawnSlot] = {}
    for value in records[node_id].values if node_id in records else ():
        if match := _OUTPUT.fullmatch(value.name):
            found[int(match[1])] = DrawnSlot(match[2], value.type)
    taken = [slot for record in records.values() for source, slot in record.links.values() if source == node_id]
    count = max([*found, *taken, 0 if node_id not in records else -1], default=-1) + 1
    return tuple(found.get(slot, DrawnSlot("", "*")) for slot in range(min(count, _MOST_OUTPUTS)))


def _state(node: NodeVerdict) -> str:
    """Its mark: as expected, where it goes wrong, a consequence of it, or none of these."""
    if node.state in BAD:
        return "pale" if node.consequence else "bad"
    if node.consequence and node.state == CHANGED:
        return "pale"
    opaque = node.findings and all(finding.rule == "by key" for finding in node.findings)
    return "grey" if node.state in (CHANGED, UNSEEN, RAN) or (opaque and node.state != SAME) else "good"
