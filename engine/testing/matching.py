"""Which node of a golden is which node of now, by keys first, and what one is computed from that is not as it was."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from weft.engine.comparing.changes import Change, Sources, class_changes, input_changes
from weft.engine.comparing.matching import Counterparts, match
from weft.engine.testing.records import NodeRecord


def counterparts(before: Mapping[str, NodeRecord], now: Mapping[str, NodeRecord]) -> Counterparts:
    """Match two recordings, which may lack nodes that the cache made unnecessary: the keys know of them."""
    return match(before, now, lambda node: "" if node.volatile else node.key)


def changes(before: NodeRecord, now: NodeRecord, sources: Sources) -> Iterator[Change]:
    """What changed at this node itself, the most telling first; not what changed above it."""
    yield from class_changes(before, now)
    if before.class_type == now.class_type and before.version != now.version:
        yield Change("class", f"{now.class_type} has version {now.version}, it had {before.version}")
    for change in input_changes(before, now, sources):
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
