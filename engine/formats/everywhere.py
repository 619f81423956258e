"""Links that are not drawn: what the Use Everywhere pack's nodes send to every free input that fits.

A save names the links that were in force (`extra.ue_links`), as the pack found them; they are read. Where a save names
none, as older ones do, they are found by the rules of the pack's manual.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from weft.engine.errors import Issue
from weft.engine.formats.canvases import MUTED, EditorGraph, EditorInput, EditorNode, compatible
from weft.engine.schema.frontend import NodeKind

_PATTERNS = ("title_regex", "input_regex", "group_regex")
_KNOWN = {
    *_PATTERNS, *(f"{name}_invert" for name in _PATTERNS), "group_restricted", "color_restricted", "priority",
    "repeated_type_rule", "string_to_combo", "version", "next_input_index", "fixed_inputs", "widget_ue_connectable",
    "input_ue_unconnectable",
}  # fmt: skip
MAX_SENDERS = 100
"""How many things are sent everywhere at most."""

_RUNAWAY = re.compile(r"\([^)]*[+*}][^)]*\)[+*{]")
"""A repetition inside a repetition, which takes for ever to search for."""

_SAME, _OTHER = (True, 1), (2,)
"""How a restriction to the same group or colour is saved, and one to any other."""


def broadcast(graph: EditorGraph) -> Iterator[Issue]:
    """Link the free inputs of the graph to what is sent to them; notes tell of what could not be."""
    links = graph.canvas.extra.get("ue_links")
    if isinstance(links, list) and links:
        for link in links:
            if isinstance(link, Mapping):
                yield from _enter(graph, link)
        return
    senders: list[_Sender] = []
    for item in graph.nodes.values():
        found = list(_senders(item)) if item.runs and len(senders) < MAX_SENDERS else []
        strange = [name for name, value in _properties(item).items() if name not in _KNOWN and value]
        bad = [text for sender in found[:1] for text in sender.patterns.values() if not _is_pattern(text)]
        if found and strange:
            yield item.issue("unknown_restriction", f"it is restricted by {strange[0]!r}, which is not known here")
        if bad:
            yield item.issue("invalid_pattern", f"it sends nothing: {bad[0]!r:.80} is no pattern that is searched for")
        else:
            senders += found
    for item in graph.nodes.values() if senders else ():
        if item.kind in (NodeKind.NODE, NodeKind.UNKNOWN, NodeKind.INSTANCE) and item.node.mode != MUTED:
            for port in filter(_is_free, item.inputs):
                if _takes(item, port):
                    yield from _link(item, port, [sender for sender in senders if sender.reaches(item, port)])


def _enter(graph: EditorGraph, link: Mapping[str, Any]) -> Iterator[Issue]:
    """One of the links that a save names."""
    target, origin = (graph.nodes.get(str(link.get(end))) for end in ("downstream", "upstream"))
    slot = link.get("upstream_slot")
    if target is None:
        return
    place = link.get("downstream_slot")
    port = next((port for port in target.inputs if type(place) is int and port.place == place), None)
    if port is None or origin is None or type(slot) is not int:
        message = f"what was sent to its input {place} everywhere is not there; read as not linked"
        yield target.issue("dangling_link", message, port.name if port else None)
    elif _is_free(port):
        port.origin, port.slot = origin, origin.moved.get(slot, slot)


def _link(item: EditorNode, port: EditorInput, found: list[_Sender]) -> Iterator[Issue]:
    """Link a port to the sender of the highest priority; of two with the same, to none."""
    best = [sender for sender in found if sender.priority == max(each.priority for each in found)]
    if len({(sender.source.origin, sender.source.slot, sender.source.panel) for sender in best}) > 1:
        names = " and ".join(f"node {sender.item.node.id}" for sender in best)
        yield item.issue("ambiguous_link", f"{names} send to it everywhere; read as not linked", port.name)
    elif best:
        source = best[0].source
        port.origin, port.slot, port.panel = source.origin, source.slot, source.panel


@dataclass(frozen=True)
class _Sender:
    """One thing that a node sends: what `source` is linked to; `alone`: it sends no other of the type."""

    item: EditorNode
    source: EditorInput
    io_type: str
    target: str
    alone: bool

    @property
    def priority(self) -> int:
        """A number of the user's, else the more the node is restricted the higher."""
        given = _properties(self.item).get("priority")
        if isinstance(given, int | float):
            return int(given)
        virtual = self.item.virtual
        restrictions = [
            *self.patterns.values(),
            self._setting("group_restricted"),
            self._setting("color_restricted"),
        ]
        return (virtual.priority if virtual else 0) + sum(map(bool, restrictions))

    def reaches(self, item: EditorNode, port: EditorInput) -> bool:
        """Whether an input gets it, if no other sender is preferred."""
        combo = port.io_type == "COMBO" and self.io_type == "STRING" and self._setting("string_to_combo")
        if "*" in (port.io_type, self.io_type) or not (compatible(port.io_type, self.io_type) or combo):
            return False
        if self.target and not re.search(self.target, port.name, re.IGNORECASE):
            return False
        if not self.alone and not any(_alike(self.source.name, name) for name in (port.name, item.title)):
            return False
        texts = {"title_regex": [item.title], "input_regex": [port.name], "group_regex": _groups(item).values()}
        for name, pattern in self.patterns.items():
            matches = any(re.search(pattern, text) for text in texts[name])
            if matches is bool(self._setting(f"{name}_invert")):
                return False
        shared = not _groups(item).keys().isdisjoint(_groups(self.item))
        return self._admits("group_restricted", shared) and self._admits(
            "color_restricted", item.node.color == self.item.node.color
        )

    def _admits(self, name: str, same: bool) -> bool:
        setting = self._setting(name)
        return same if setting in _SAME else not same if setting in _OTHER else True

    def _setting(self, name: str) -> Any:
        return _properties(self.item).get(name, self.item.node.properties.get(name))

    @cached_property
    def patterns(self) -> dict[str, str]:
        """What titles, inputs and groups must match; `.*` restricts nothing."""
        saved = self.item.node.widgets_values if self.item.kind is NodeKind.BROADCAST else None
        widgets = dict(zip(_PATTERNS, saved, strict=False)) if isinstance(saved, list) else {}
        found = {name: _properties(self.item).get(name) or widgets.get(name) for name in _PATTERNS}
        return {name: text for name, text in found.items() if isinstance(text, str) and text not in ("", ".*")}


def _senders(item: EditorNode) -> Iterator[_Sender]:
    """What a node sends: each thing that is linked to it, or its own value."""
    if item.virtual is None or (item.kind is not NodeKind.BROADCAST and not item.virtual.patterns):
        return
    patterns = item.virtual.patterns
    if item.kind is not NodeKind.BROADCAST:
        yield _Sender(item, EditorInput("", "*", origin=item), "INT", patterns[0], alone=True)
        return
    sources = [(port, _type_of(port, item)) for port in item.inputs]
    for place, (port, io_type) in enumerate(sources):
        if not _is_free(port):
            target = patterns[place] if place < len(patterns) else ""
            alone = bool(target) or [kind for each, kind in sources if not _is_free(each)].count(io_type) == 1
            yield _Sender(item, port, io_type, target, alone)


def _type_of(port: EditorInput, sender: EditorNode) -> str:
    """The type of what is linked to a broadcasting node; the pack names the input by it."""
    if port.origin is not None and 0 <= port.slot < len(port.origin.outputs):
        found = port.origin.outputs[port.slot]
        if found not in ("*", ""):
            return found
    panels = sender.graph.canvas.inputs
    if port.panel is not None and isinstance(panels[port.panel].io_type, str):
        return str(panels[port.panel].io_type)
    return port.io_type if port.io_type not in ("*", "") else port.name


def _is_pattern(text: str) -> bool:
    try:
        re.compile(text)
    except (re.error, OverflowError, RecursionError):
        return False
    return len(text) <= 1000 and not _RUNAWAY.search(text)


def _is_free(port: EditorInput) -> bool:
    return port.origin is None and port.panel is None


def _takes(item: EditorNode, port: EditorInput) -> bool:
    """Whether an input may be sent something: sockets unless they are closed, widgets only where they are opened.

    Editors before 1.16 list no input for a widget, unless it was made a socket.
    """
    properties = {**item.node.properties, **_properties(item)}
    if properties.get("rejects_ue_links"):
        return False
    slot = item.node.inputs[port.place] if port.place is not None else None
    if port.spec is None and (slot is None or slot.widget is None):
        closed = properties.get("input_ue_unconnectable")
        return not (isinstance(closed, Mapping) and closed.get(port.name))
    opened = properties.get("widget_ue_connectable")
    if isinstance(opened, Mapping):
        return bool(opened.get(port.name))
    return slot is not None and slot.widget is not None and not item.graph.canvas.extra.get("frontendVersion")


def _properties(item: EditorNode) -> Mapping[str, Any]:
    found = item.node.properties.get("ue_properties")
    return found if isinstance(found, Mapping) else {}


def _alike(one: str, other: str) -> bool:
    """Whether names agree at the start or at the end, as far as the shorter goes."""
    one, other = one.lower(), other.lower()
    short, long = sorted((one, other), key=len)
    return bool(short) and (long.startswith(short) or long.endswith(short))


def _groups(item: EditorNode) -> dict[int, str]:
    """The groups in whose frames the middle of the node stands: their titles, by number."""
    x, y, width, height = (*_pair(item.node.pos), *_pair(item.node.size))
    middle = x + width / 2, y + height / 2
    found = {}
    for number, group in enumerate(item.graph.canvas.groups):
        if isinstance(group, Mapping) and isinstance(group.get("bounding"), list) and len(group["bounding"]) == 4:
            left, top, across, down = map(_number, group["bounding"])
            if left <= middle[0] <= left + across and top <= middle[1] <= top + down:
                found[number] = str(group.get("title") or "")
    return found


def _pair(value: Any) -> tuple[float, float]:
    """Two numbers, in a list or in an object with the keys 0 and 1."""
    both = [value.get("0"), value.get("1")] if isinstance(value, Mapping) else value
    return (_number(both[0]), _number(both[1])) if isinstance(both, list) and len(both) >= 2 else (0.0, 0.0)


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
