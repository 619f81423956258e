"""Why a node runs: what its recipe has that the one of the last time had not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from weft.engine.cache.protocol import Recipe
from weft.engine.links import Link
from weft.engine.planning.signature import UNNAMED

LOST = "the cache dropped it"


class Difference(NamedTuple):
    """Something that differs from the last time; `source` is the node that an input comes from, if that is it."""

    text: str
    input: str = ""
    source: str = ""


def reason_of(now: Recipe, last: Recipe | None) -> str:
    """Why a node runs that no cache has: the first thing that differs from the last time."""
    if last is None:
        return "not computed before"
    found = next(differences(now, last), None)
    if found is None:
        return LOST if last.key == now.key else "a file that it names changed"
    return f"input {found.input!r} comes from node {found.source}, which changed" if found.source else found.text


def differences(now: Recipe, last: Recipe) -> Iterator[Difference]:
    """What differs, in the order in which it is worth telling: who computes, with what, from what, from whom."""
    if last.class_type != now.class_type:
        yield Difference(f"the node was a {last.class_type}")
    for name, before, after in _changed(last.facts, now.facts):
        # Digests tell nobody anything.
        said = "changed" if name == CODE else f"changed: {_brief(before)} -> {_brief(after)}"
        yield Difference(f"{name} {said}")
    if last.version != now.version:
        yield Difference(f"the implementation of {now.class_type} changed")
    for name in dict.fromkeys([*now.inputs, *last.inputs]):
        if name not in last.inputs:
            yield Difference(f"input {name!r} is new", name)
        elif name not in now.inputs:
            yield Difference(f"input {name!r} is gone", name)
        else:
            before, after = last.inputs[name], now.inputs[name]
            if type(before) is not type(after) or before != after:
                yield Difference(f"input {name!r} changed: {_brief(before)} -> {_brief(after)}", name)
    for name, before, after in _changed(last.files, now.files):
        if before is not None and after is not None:
            what = "a file that it reads" if name.startswith(UNNAMED) else f"the file {name}"
            yield Difference(f"{what} changed")
    for name, key in now.links.items():
        if name in last.links and last.links[name] != key:
            source = now.inputs[name].node_id
            yield Difference(f"input {name!r} comes from node {source}, which changed", name, source)


CODE = "Weft's own code"


def _changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """What differs of two tables; nothing where one of them is not known."""
    if before and after:
        for name in dict.fromkeys([*after, *before]):
            if before.get(name) != after.get(name):
                yield name, before.get(name), after.get(name)


def _brief(value: Any) -> str:
    text = f"node {value.node_id} slot {value.slot}" if type(value) is Link else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
