"""NAME.test.toml: what must hold of a run, whatever its golden says.

    set = ["KSampler.steps=4"]

    [[assert]]
    node = "SaveImage"
    files = 1
    size = [128, 128]

Every table names at most one node (id, title or class_type, as --set does) and one output (its number or name), and
one or more of the checks in CHECKS. docs/testing.md lists them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from weft.engine.documents import read_toml
from weft.engine.errors import UsageError, did_you_mean
from weft.engine.schema.packs import Packs
from weft.engine.testing.instrument import Instrument
from weft.engine.testing.records import Leaf, TensorLeaf, ValueRecord
from weft.engine.testing.running import Run
from weft.engine.testing.verdicts import Asserted, number

_TOP: Mapping[str, type[Any]] = {
    "workflow": str, "set": list, "targets": list, "runs": int, "markers": list, "assert": list,
}  # fmt: skip
_PLACES = ("node", "output")
_OPTIONS = ("tolerance", "min_pixels", "within")


@dataclass(frozen=True)
class Assertions:
    """The content of a NAME.test.toml."""

    path: Path
    tables: tuple[Mapping[str, Any], ...] = ()
    workflow: str | None = None
    overrides: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    runs: int = 1
    markers: tuple[str, ...] = ()

    @property
    def needs_tensors(self) -> bool:
        """Whether a check looks at values that no record has."""
        return any(name in table for table in self.tables for name in ("color", "within"))


def read_assertions(path: Path) -> Assertions:
    """Read a NAME.test.toml. Raises UsageError naming table and key."""
    data = read_toml(path)
    packs = {} if data.keys() <= _TOP.keys() else Packs.installed().settings
    settings = {name: data.pop(name) for name in packs if name in data}
    for name, value in data.items():
        if name not in _TOP:
            raise UsageError(f"{path}: unknown key {name!r}", hint=did_you_mean(name, [*_TOP, *packs]))
        if not isinstance(value, _TOP[name]) or isinstance(value, bool):
            raise UsageError(f"{path}: {name} should be {_TOP[name].__name__}, got {value!r}")
        if name in ("set", "targets", "markers") and not all(isinstance(item, str) for item in value):
            raise UsageError(f"{path}: {name} should be a list of texts, got {value!r}")
    if data.get("runs", 1) < 1:
        raise UsageError(f"{path}: runs should be 1 or more, got {data['runs']}")
    tables: tuple[Any, ...] = tuple(data.get("assert", ()))
    for place, table in enumerate(tables, 1):
        _check_table(table, f"{path} [[assert]] {place}")
    if not tables:
        raise UsageError(f"{path}: it asserts nothing", hint="add an [[assert]] table")
    return Assertions(
        path,
        tables,
        workflow=data.get("workflow"),
        overrides=tuple(data.get("set", ())),
        targets=tuple(data.get("targets", ())),
        settings=settings,
        runs=data.get("runs", 1),
        markers=tuple(data.get("markers", ())),
    )


def _check_table(table: Any, where: str) -> None:
    known = (*_PLACES, *CHECKS, *_OPTIONS)
    if not isinstance(table, Mapping):
        raise UsageError(f"{where}: expected a table")
    for name in table:
        if name not in known:
            raise UsageError(f"{where}: unknown key {name!r}", hint=did_you_mean(name, known))
    asked = [name for name in CHECKS if name in table]
    if not asked:
        raise UsageError(f"{where}: it checks nothing", hint=f"one of {', '.join(CHECKS)}")
    for name in asked:
        check = CHECKS[name]
        if not check.accepts(table[name]):
            raise UsageError(f"{where}: {name} should be {check.expects}, got {table[name]!r}")
        if check.needs_node and "node" not in table:
            raise UsageError(f"{where}: {name} needs a node")


def evaluate(assertions: Assertions, run: Run, instrument: Instrument) -> Iterator[Asserted]:
    """Every check of every table, in order. Raises UsageError for a node or output that is not there."""
    for place, table in enumerate(assertions.tables, 1):
        where = f"{assertions.path.name} [[assert]] {place}"
        found = _Subject(run, instrument, table, where)
        for name, check in CHECKS.items():
            if name in table:
                node = f"{table['node']}: " if "node" in table else ""
                output = f"{table['output']} " if "output" in table else ""
                value = table[name]
                holds, got = check.holds(found, value)
                yield Asserted(f"{node}{output}{name} = {_toml(value)}", holds, got)


def _toml(value: Any) -> str:
    """A value as it stands in the file, but for the quotes of a text."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name} = {_toml(part)}" for name, part in value.items()) + "}"
    return str(value).lower() if isinstance(value, bool) else str(value)


class _Subject:
    """What a table speaks about: one node or all, one output or all."""

    def __init__(self, run: Run, instrument: Instrument, table: Mapping[str, Any], where: str) -> None:
        self.run = run
        self.instrument = instrument
        self.table = table
        self.where = where
        self.node_id = run.find(table["node"]) if "node" in table else None

    def values(self, node_id: str | None, output: Any = None) -> list[ValueRecord]:
        """The values of a node (None: of all), less those of other outputs."""
        nodes = self.run.recording.nodes
        if node_id is not None and node_id not in nodes:
            raise UsageError(f"{self.where}: node {node_id!r} did not run", hint="name it in targets")
        chosen = nodes.values() if node_id is None else [nodes[node_id]]
        values = [value for node in chosen for value in node.values]
        if output is None:
            return values
        kept = [value for value in values if str(output) in value.name.split(" ", 1)]
        if not kept:
            known = ", ".join(value.label for value in values) or "none"
            raise UsageError(f"{self.where}: no output {output!r}; there are {known}")
        return kept

    def leaves(self) -> list[tuple[str, Leaf]]:
        """Every leaf that the table speaks about, with its name. Raises UsageError where there is none."""
        chosen = self.values(self.node_id, self.table.get("output"))
        return [(f"{value.label} {place}".strip(), leaf) for value in chosen for place, leaf in value.leaves.items()]

    def tensors(self, io_type: str = "") -> list[tuple[str, TensorLeaf]]:
        """The tensors among the leaves, of a type if one is asked for. Raises UsageError where there is none."""
        chosen = self.values(self.node_id, self.table.get("output"))
        found = [
            (f"{value.label} {place}".strip(), leaf)
            for value in chosen
            if not io_type or value.type == io_type
            for place, leaf in value.leaves.items()
            if leaf.kind == "tensor"
        ]
        if not found:
            raise UsageError(f"{self.where}: there is no {io_type or 'tensor'} to look at")
        return found


Holds = tuple[bool, str]


def _files(subject: _Subject, value: Any) -> Holds:
    count = sum(record.name.startswith("file ") for record in subject.values(subject.node_id))
    return _exactly(count, value)


def _size(subject: _Subject, value: Any) -> Holds:
    sizes = {(leaf.shape[2], leaf.shape[1]) for _, leaf in subject.tensors("IMAGE")}
    return sizes == {tuple(value)}, ", ".join(f"{width} x {height}" for width, height in sorted(sizes))


def _shape(subject: _Subject, value: Any) -> Holds:
    wrong = [
        f"{name} has {list(leaf.shape)}"
        for name, leaf in subject.tensors()
        if len(leaf.shape) != len(value)
        or any(want not in (-1, side) for want, side in zip(value, leaf.shape, strict=True))
    ]
    return not wrong, ", ".join(wrong)


def _color(subject: _Subject, value: Any) -> Holds:
    digits = value.lstrip("#")
    color = (int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:], 16))
    tolerance, least = subject.table.get("tolerance", 10), subject.table.get("min_pixels", 1)
    counts = [
        subject.instrument.near_color(subject.run.tensors[leaf.digest], color, tolerance)
        for _, leaf in subject.tensors("IMAGE")
    ]
    return all(count >= least for count in counts), f"{min(counts)} pixels within {tolerance} of it"


def _range(subject: _Subject, value: Any) -> Holds:
    low, high = value
    known = [(name, leaf) for name, leaf in subject.tensors() if leaf.min is not None and leaf.max is not None]
    wrong = [
        f"{name} goes from {number(leaf.min or 0.0)} to {number(leaf.max or 0.0)}"
        for name, leaf in known
        if leaf.bad or (leaf.min or 0.0) < low or (leaf.max or 0.0) > high
    ]
    return not wrong, ", ".join(wrong)


def _finite(subject: _Subject, value: Any) -> Holds:
    bad = [f"{name} has {leaf.bad}" for name, leaf in subject.leaves() if leaf.kind == "tensor" and leaf.bad]
    return (not bad) == value, ", ".join(bad) or "all values are finite"


def _executed(subject: _Subject, value: Any) -> Holds:
    blocked = subject.node_id in subject.run.blocked
    ran = subject.node_id in subject.run.seconds and not blocked
    return ran == value, "it ran" if ran else "it was not called: an input is blocked" if blocked else "it did not run"


def _cached(subject: _Subject, value: Any) -> Holds:
    served = subject.node_id in subject.run.recording.nodes and subject.node_id not in subject.run.seconds
    served = served or subject.node_id in subject.run.unseen
    return served == value, "the cache served it" if served else "it ran"


def _seconds(subject: _Subject, value: Any) -> Holds:
    return _within(_sum(subject, subject.run.seconds), value, " s")


def _calls(subject: _Subject, value: Any) -> Holds:
    return _within(_sum(subject, subject.run.calls), value, " evaluations of a network")


def _equal(subject: _Subject, value: Any) -> Holds:
    same, distance = _apart(subject, value)
    return same, "equal" if same else distance


def _different(subject: _Subject, value: Any) -> Holds:
    same, distance = _apart(subject, value)
    return not same, "equal" if same else distance


def _apart(subject: _Subject, other: Any) -> tuple[bool, str]:
    """Whether two nodes' outputs are equal, or `within` max_abs; and how far they are apart."""
    reference, output = (other["node"], other.get("output")) if isinstance(other, Mapping) else (other, None)
    own = subject.values(subject.node_id, subject.table.get("output"))
    theirs = subject.values(subject.run.find(reference), output)
    within = subject.table.get("within", 0.0)
    if len(own) != len(theirs):
        return False, f"{len(own)} outputs and {len(theirs)}"
    for mine, yours in zip(own, theirs, strict=True):
        for place in dict.fromkeys([*mine.leaves, *yours.leaves]):
            a, b = mine.leaves.get(place), yours.leaves.get(place)
            if a == b:
                continue
            if not (within and isinstance(a, TensorLeaf) and isinstance(b, TensorLeaf) and a.shape == b.shape):
                return False, f"{mine.label} {place}: {a} and {b} differ"
            pair = subject.run.tensors[a.digest], subject.run.tensors[b.digest]
            distance = subject.instrument.difference(*pair, picture=False)["max_abs"]
            if not distance <= within:
                return False, f"{mine.label} {place}: max_abs {number(distance)}"
    return True, ""


def _sum(subject: _Subject, by_node: Mapping[str, float]) -> float:
    return sum(by_node.values()) if subject.node_id is None else by_node.get(subject.node_id, 0)


def _exactly(count: float, bound: Any) -> Holds:
    if isinstance(bound, Mapping):
        return bound.get("min", -math.inf) <= count <= bound.get("max", math.inf), str(count)
    return count == bound, str(count)


def _within(value: float, bound: Any, unit: str) -> Holds:
    limits = bound if isinstance(bound, Mapping) else {"max": bound}
    return limits.get("min", -math.inf) <= value <= limits.get("max", math.inf), f"{number(value)}{unit}"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_bound(value: Any) -> bool:
    if isinstance(value, Mapping):
        return bool(value) and set(value) <= {"min", "max"} and all(map(_is_number, value.values()))
    return _is_number(value)


def _numbers(count: int | None) -> Callable[[Any], bool]:
    return lambda value: (
        isinstance(value, list) and all(map(_is_number, value)) and (count is None or len(value) == count)
    )


def _is_node(value: Any) -> bool:
    if isinstance(value, Mapping):
        return isinstance(value.get("node"), str) and set(value) <= {"node", "output"}
    return isinstance(value, str)


@dataclass(frozen=True)
class Check:
    """One kind of assertion: whether it holds and what was got; which values it takes."""

    holds: Callable[[_Subject, Any], Holds]
    accepts: Callable[[Any], bool]
    expects: str
    needs_node: bool = False


def _is_bool(value: Any) -> bool:
    return isinstance(value, bool)


def _is_color(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"#?[0-9a-fA-F]{6}", value) is not None


CHECKS: Mapping[str, Check] = {
    "files": Check(_files, _is_bound, "a number of files, or {min, max}"),
    "size": Check(_size, _numbers(2), "[width, height]"),
    "shape": Check(_shape, _numbers(None), "a list of sides, -1 for any"),
    "color": Check(_color, _is_color, 'a colour "#RRGGBB"'),
    "range": Check(_range, _numbers(2), "[lowest, highest]"),
    "finite": Check(_finite, _is_bool, "true or false"),
    "executed": Check(_executed, _is_bool, "true or false", needs_node=True),
    "cached": Check(_cached, _is_bool, "true or false", needs_node=True),
    "seconds": Check(_seconds, _is_bound, "the most seconds, or {min, max}"),
    "calls": Check(_calls, _is_bound, "the most evaluations of a network, or {min, max}"),
    "equal": Check(_equal, _is_node, "a node, or {node, output}", needs_node=True),
    "different": Check(_different, _is_node, "a node, or {node, output}", needs_node=True),
}
