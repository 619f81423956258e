"""Which node of a golden is which node of now, and what a node is computed from that is not as it was.

Ids, titles and positions may have changed; a node is first known by its cache key, then by its id, then by who takes
from it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

from weft.engine.comparing.changes import Change, input_changes
from weft.engine.testing.records import NodeRecord

Nodes = Mapping[str, NodeRecord]


def match(before: Nodes, now: Nodes) -> dict[str, str]:
    """Node id of now -> node id in the golden, one to one; nodes without a partner are left out."""
    pairs: dict[str, str] = {}
    free = dict.fromkeys(before)
    # The same key under the same id; then under any id, in order: twins share a key.
    by_key: dict[str, list[str]] = defaultdict(list)
    for node_id, node in before.items():
        if not node.volatile:
            by_key[node.key].append(node_id)
    for own in (True, False):
        for node_id, node in now.items():
            found = [old for old in by_key[node.key] if old in free and (old == node_id or not own)]
            if node_id not in pairs and found:
                pairs[node_id] = found[0]
                del free[found[0]]
    for node_id, node in now.items():
        if node_id not in pairs and node_id in free and before[node_id].class_type == node.class_type:
            pairs[node_id] = node_id
            del free[node_id]
    while _through_consumers(before, now, pairs, free):
        pass
    _by_class(before, now, pairs, free)
    while _through_consumers(before, now, pairs, free):
        pass
    for node_id in now:
        if node_id not in pairs and node_id in free:
            pairs[node_id] = node_id
            del free[node_id]
    return pairs


def _through_consumers(before: Nodes, now: Nodes, pairs: dict[str, str], free: dict[str, None]) -> bool:
    """Pair what partners take from at the same input, if the classes agree; says whether anything was found."""
    found = False
    for node_id, old_id in list(pairs.items()):
        for name, (source, _) in now[node_id].links.items():
            old = before[old_id].links.get(name, ("", 0))[0]
            open_ = source in now and source not in pairs and old in free
            if open_ and now[source].class_type == before[old].class_type:
                pairs[source] = old
                del free[old]
                found = True
    return found


def _by_class(before: Nodes, now: Nodes, pairs: dict[str, str], free: dict[str, None]) -> None:
    """Pair the only ones of their class that are left on both sides: output nodes under new ids, above all."""
    left: dict[str, tuple[list[str], list[str]]] = defaultdict(lambda: ([], []))
    for old in free:
        left[before[old].class_type][0].append(old)
    for node_id, node in now.items():
        if node_id not in pairs:
            left[node.class_type][1].append(node_id)
    for olds, news in left.values():
        if len(olds) == len(news):
            for old, new in zip(olds, news, strict=True):
                pairs[new] = old
                del free[old]


def changes(before: NodeRecord, now: NodeRecord, pairs: Mapping[str, str]) -> Iterator[Change]:
    """What changed at this node itself, the most telling first; not what changed above it."""
    if before.class_type != now.class_type:
        yield Change("class", f"the node was a {before.class_type}, it is a {now.class_type}")
    elif before.version != now.version:
        yield Change("class", f"{now.class_type} has version {now.version}, it had {before.version}")
    for change in input_changes(before, now, pairs):
        # Another name of the same content is no change.
        if change.input not in before.files or before.files[change.input] != now.files.get(change.input):
            yield change
    for name in dict.fromkeys([*before.files, *now.files]):
        named = before.inputs.get(name) == now.inputs.get(name)
        if named and before.files.get(name) != now.files.get(name):
            what = f"the file {now.inputs[name]!r}" if name in now.inputs else "a file named in its text"
            old, new = (side.files.get(name, "none")[:12] for side in (before, now))
            yield Change("file", f"{what} has other content: digest {old} -> {new}", name)
    if now.volatile != before.volatile:
        yield Change("input", f"volatile: {before.volatile or 'no'} -> {now.volatile or 'no'}")
