"""A workflow as lines of text that change only where its meaning does: what `git diff` is given to compare.

Nodes are called by title and class, and stand sources first, from ends that are sorted by what they are: ids, positions
and the order of nodes leave no trace.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping

from weft.engine.comparing.reading import ComparedNode

Nodes = Mapping[str, ComparedNode]


def listing(nodes: Nodes) -> Iterator[str]:
    """A line for each node, and below it one for each of its inputs, by name; a blank line between two nodes."""
    names = _names(nodes)
    for number, node_id in enumerate(names):
        if number:
            yield ""
        node = nodes[node_id]
        yield f"{names[node_id]} ({node.class_type})" if node.title != node.class_type else names[node_id]
        for name, value in sorted(node.inputs.items()):
            texts = value.split("\n") if isinstance(value, str) and "\n" in value else [_json(value)]
            yield f"    {name}: {texts[0] if len(texts) == 1 else ''}".rstrip()
            yield from (f"        {text}".rstrip() for text in texts if len(texts) > 1)
        for name, (source, slot) in sorted(node.links.items()):
            yield f"    {name}: output {slot} of {names.get(source, 'a node that is not there')}"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=repr)


def _names(nodes: Nodes) -> dict[str, str]:
    """What each node is called, sources first: its title, with a number where several have it."""
    titles = Counter(node.title for node in nodes.values())
    used: Counter[str] = Counter()
    found: dict[str, str] = {}
    for node_id in _ordered(nodes):
        title = nodes[node_id].title
        used[title] += 1
        found[node_id] = f"{title} #{used[title]}" if titles[title] > 1 else title
    return found


def _ordered(nodes: Nodes) -> list[str]:
    """The nodes, sources first, from the ends, and then from what waits for itself."""
    taken = {source for node in nodes.values() for source, _ in node.links.values()}
    what = {n: (node.class_type, node.title, _json(dict(node.inputs))) for n, node in nodes.items()}
    ends = sorted(
        (node_id for node_id in nodes if node_id not in taken),
        key=lambda node_id: (what[node_id], _ancestry(nodes, what, node_id)),
    )
    roots = [*ends, *sorted(taken & nodes.keys(), key=lambda node_id: what[node_id])]
    placed: dict[str, None] = {}
    for root in roots:
        seen = {root}
        stack = [(root, iter(sorted(nodes[root].links.items())))]
        while stack:
            node_id, links = stack[-1]
            for _, (source, _) in links:
                if source in nodes and source not in placed and source not in seen:
                    seen.add(source)
                    stack.append((source, iter(sorted(nodes[source].links.items()))))
                    break
            else:
                stack.pop()
                placed[node_id] = None
    return list(placed)


_DEPTH = 64
"""How many nodes above an end are looked at to tell it from another that is like it."""


def _ancestry(nodes: Nodes, what: Mapping[str, tuple[str, str, str]], node_id: str) -> list[tuple[str, str, str]]:
    """What stands above a node, nearest first: it tells ends that are alike."""
    order: dict[str, None] = {node_id: None}
    waiting = [node_id]
    for each in waiting:
        for _, (source, _) in sorted(nodes[each].links.items()):
            if source in nodes and source not in order and len(order) < _DEPTH:
                order[source] = None
                waiting.append(source)
    return [what[each] for each in order]
