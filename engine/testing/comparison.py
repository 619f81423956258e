"""Compares two recordings node by node: which values differ, by how much, where it begins, and why."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from weft.engine.comparing.changes import Change
from weft.engine.testing.code import OWN
from weft.engine.testing.instrument import Instrument, Tensor
from weft.engine.testing.matching import changes, counterparts
from weft.engine.testing.records import Leaf, NodeRecord, PlainLeaf, Recording, TensorLeaf, ValueRecord
from weft.engine.testing.tolerances import LOWER, Allowance, Distance, Tolerances
from weft.engine.testing.verdicts import (
    BAD,
    CHANGED,
    DIVERGED,
    FAILED,
    MISSING,
    NEW,
    SAME,
    UNSEEN,
    WITHIN,
    Comparison,
    Divergence,
    Finding,
    NodeVerdict,
)

PICTURES = ("IMAGE", "MASK")
ENVIRONMENT = "environment"


@dataclass(frozen=True)
class Side:
    """One of the two recordings, with the tensors that are at hand, by digest.

    `failed` says what a node raised, `unseen` are nodes that did not run because the cache made them unnecessary.
    """

    recording: Recording
    tensors: Mapping[str, Tensor]
    failed: Mapping[str, NodeVerdict] = field(default_factory=dict)
    unseen: tuple[str, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)


def compare(
    workflow: str, before: Side, now: Side, apart: Distance, tolerances: Tolerances, instrument: Instrument
) -> Comparison:
    """Compare a run with its golden; `workflow` is the name that rules may ask for."""
    return _Comparison(workflow, before, now, apart, tolerances, instrument).done()


class _Comparison:
    def __init__(
        self, workflow: str, before: Side, now: Side, apart: Distance, tolerances: Tolerances, instrument: Instrument
    ) -> None:
        self.workflow = workflow
        self.before, self.now = before, now
        self.apart = apart
        self.tolerances = tolerances
        self.instrument = instrument
        self.old = before.recording.nodes
        # A node that raised has a recipe like any other.
        self.new = now.recording.nodes
        self.counterparts = counterparts(self.old, self.new)
        self.pairs = self.counterparts.pairs
        self.used: dict[str, float] = {}
        self.ends = _ends(self.new), _ends(self.old)

    def done(self) -> Comparison:
        verdicts = [self._node(node_id, node) for node_id, node in self.new.items()]
        verdicts += [verdict for node_id, verdict in self.now.failed.items() if node_id not in self.new]
        verdicts += self._gone()
        divergences = self._divergences({verdict.node_id: verdict for verdict in verdicts})
        below = {node_id for divergence in divergences for node_id in divergence.consequences}
        roots = {divergence.node.node_id for divergence in divergences}
        shown = tuple(replace(v, consequence=v.node_id in below and v.node_id not in roots) for v in verdicts)
        return Comparison(
            nodes=shown,
            divergences=divergences,
            tolerance=self.tolerances.name,
            why=self.tolerances.why,
            differences=self.apart.differences,
            used=self.used,
            notes=tuple(self._notes(shown)) if not divergences else (),
        )

    # Each node by itself

    def _node(self, node_id: str, node: NodeRecord) -> NodeVerdict:
        sources = tuple(dict.fromkeys(source for source, _ in node.links.values()))
        old_id = self.pairs.get(node_id)
        about = NodeVerdict(
            node_id, node.title, node.class_type, NEW, sources=sources, seconds=self.now.seconds.get(node_id)
        )
        if node_id in self.now.failed:
            failed = self.now.failed[node_id]
            own = tuple(changes(self.old[old_id], node, self.counterparts)) if old_id is not None else ()
            return replace(about, state=FAILED, message=failed.message, changes=own)
        if old_id is None:
            return about
        old = self.old[old_id]
        own = tuple(changes(old, node, self.counterparts))
        findings = tuple(self._findings(node_id, old, node))
        return replace(about, state=_state(findings), findings=findings, changes=own)

    def _gone(self) -> Iterator[NodeVerdict]:
        paired = set(self.pairs.values())
        feeding = {source for node in self.old.values() for source, _ in node.links.values()}
        for old_id, old in self.old.items():
            if old_id not in paired:
                # The cache makes no node unnecessary from which nothing is taken.
                unseen = bool(self.now.failed) or (bool(self.now.unseen) and old_id in feeding)
                # Another node may have the id now.
                shown = old_id if old_id not in self.new else f"{old_id} of the golden"
                yield NodeVerdict(shown, old.title, old.class_type, UNSEEN if unseen else MISSING)

    def _findings(self, node_id: str, old: NodeRecord, node: NodeRecord) -> Iterator[Finding]:
        before = {value.name: value for value in old.values}
        for value in node.values:
            if value.name in before:
                yield from self._value(node_id, old, node, before.pop(value.name), value)
            else:
                rule = "the golden has no such value"
                yield Finding(value.name, "", value.type, DIVERGED, got="there", expected="not there", rule=rule)
        for value in before.values():
            rule = "the golden has it"
            yield Finding(value.name, "", value.type, DIVERGED, got="not there", expected="there", rule=rule)

    def _value(
        self, node_id: str, old: NodeRecord, node: NodeRecord, expected: ValueRecord, got: ValueRecord
    ) -> Iterator[Finding]:
        for place in dict.fromkeys([*expected.leaves, *got.leaves]):
            a, b = got.leaves.get(place), expected.leaves.get(place)
            about = Finding(got.name, place, got.type, SAME, got=_told(a), expected=_told(b))
            if a is None or b is None or a.kind != b.kind:
                yield replace(about, state=DIVERGED, rule="another kind of value")
            elif a.kind == "opaque":
                # The name of its class is for readers: it is Weft's to change.
                state = SAME if old.key == node.key and not node.volatile else CHANGED
                yield replace(about, state=state, rule="by key")
            elif _equal(a, b):
                allowance = self.tolerances.allowance(self.workflow, node_id, node, got.type)
                self._note_use(allowance, 0.0)
                yield replace(about, rule="equal")
            else:
                yield self._differing(about, a, b, self.tolerances.allowance(self.workflow, node_id, node, got.type))

    # One value that is not equal

    def _differing(self, about: Finding, got: Leaf, expected: Leaf, allowance: Allowance) -> Finding:
        if isinstance(got, TensorLeaf) and isinstance(expected, TensorLeaf):
            return self._tensors(about, got, expected, allowance)
        assert isinstance(got, PlainLeaf) and isinstance(expected, PlainLeaf)
        limit = allowance.limits.get("max_rel")
        if limit is None or not (_is_number(got.value) and _is_number(expected.value)):
            return replace(about, state=DIVERGED, measure="not equal", rule=allowance.rule)
        distance = abs(got.value - expected.value)
        relative = distance / abs(expected.value) if expected.value else math.inf
        return self._judged(about, {"max_abs": distance, "max_rel": relative}, allowance)

    def _tensors(self, about: Finding, got: TensorLeaf, expected: TensorLeaf, allowance: Allowance) -> Finding:
        if got.shape != expected.shape or got.dtype != expected.dtype:
            pair = self._both(got, expected)
            return replace(about, state=DIVERGED, measure="another shape or dtype", rule=allowance.rule, tensors=pair)
        pair = self._both(got, expected)
        if pair is None:
            measured = _sampled(got, expected)
            about = replace(about, measures=measured)
            return self._judged(about, measured, allowance)
        picture = about.io_type in PICTURES and len(got.shape) in (3, 4)
        measured = self.instrument.difference(*pair, picture=picture)
        return self._judged(replace(about, tensors=pair), measured, allowance)

    def _both(self, got: TensorLeaf, expected: TensorLeaf) -> tuple[Tensor, Tensor] | None:
        a, b = self.now.tensors.get(got.digest), self.before.tensors.get(expected.digest)
        return (a, b) if a is not None and b is not None else None

    def _judged(self, about: Finding, measured: Mapping[str, float], allowance: Allowance) -> Finding:
        """The finding with the limit that is missed by most, or the one that is nearest to being missed."""
        about = replace(about, measures=measured, rule=allowance.rule)
        few = f" over {measured['sampled']} numbers, since the golden keeps no tensor," if "sampled" in measured else ""
        limits = {name: limit for name, limit in allowance.limits.items() if name in measured}
        if not limits:
            value = measured.get("max_abs", math.inf)
            return replace(about, state=DIVERGED, measure="max_abs" + few, value=value)
        strain = {name: _strain(name, measured[name], limit) for name, limit in limits.items()}
        worst = max(strain, key=strain.__getitem__)
        self._note_use(allowance, strain[worst])
        state = WITHIN if strain[worst] <= 1 else DIVERGED
        return replace(
            about,
            state=state,
            measure=worst + few,
            value=measured[worst],
            limit=limits[worst],
            strain=strain[worst],
        )

    def _note_use(self, allowance: Allowance, strain: float) -> None:
        if allowance.override is not None:
            source = allowance.override.source
            self.used[source] = max(self.used.get(source, 0.0), strain)

    # Where it begins

    def _divergences(self, verdicts: Mapping[str, NodeVerdict]) -> tuple[Divergence, ...]:
        """The nodes where differences begin, in order; a difference below one of them is its consequence."""
        above = _ancestors(verdicts)
        found: list[Divergence] = []
        for node_id, verdict in verdicts.items():
            lineage = above.get(node_id, set())
            if not self._is_bad(verdict) or any(d.node.node_id in lineage for d in found):
                continue
            found.append(self._begins(verdict, [verdicts[source] for source in verdicts if source in lineage]))
        found.sort(key=lambda divergence: list(verdicts).index(divergence.node.node_id))
        roots = [divergence.node.node_id for divergence in found]
        for place, root in enumerate(roots):
            affected = tuple(
                node_id
                for node_id, verdict in verdicts.items()
                if root in above.get(node_id, set()) and verdict.state in (*BAD, CHANGED)
            )
            found[place] = replace(found[place], consequences=affected)
        return _merged(found)

    def _is_bad(self, verdict: NodeVerdict) -> bool:
        """Whether the verdict alone fails the test: one node more or less does not, where nothing ends in it."""
        if verdict.state in (NEW, MISSING):
            now, before = self.ends
            return verdict.node_id in now if verdict.state == NEW else verdict.node_id.split(" ")[0] in before
        return verdict.state in BAD

    def _begins(self, verdict: NodeVerdict, lineage: Sequence[NodeVerdict]) -> Divergence:
        """Where the difference that this node shows begins: here, or above where nothing can be seen."""
        # The nearest to the top: what it gives is opaque or within tolerance, but it is computed from something else.
        for source in lineage:
            if source.changes and source.state in (CHANGED, WITHIN):
                return Divergence(source, *_cause(source.changes), seen_at=verdict)
            if source.state == NEW:
                return Divergence(source, NEW, _NEW, seen_at=verdict)
        if verdict.changes:
            return Divergence(verdict, *_cause(verdict.changes))
        if verdict.state == FAILED:
            return Divergence(verdict, "failure", f"it raised: {verdict.message}")
        if verdict.state in (NEW, MISSING):
            return Divergence(verdict, verdict.state, _NEW if verdict.state == NEW else _MISSING)
        code = tuple(self._code(verdict.node_id))
        if self.apart.differences:
            return Divergence(verdict, ENVIRONMENT, "; ".join((*self.apart.differences, *code)))
        if code:
            return Divergence(verdict, "code", "; ".join(code))
        return Divergence(verdict, "output", "nothing but its output: same inputs, files, version and environment")

    def _code(self, node_id: str) -> Iterator[str]:
        """What is not as it was in the code behind a node, though its version is."""
        before, now = self.before.recording.birth, self.now.recording.birth
        old, new = (nodes[name].pack for nodes, name in ((self.old, self.pairs[node_id]), (self.new, node_id)))
        if old != new:
            yield f"the class comes from {new or OWN}, it came from {old or OWN}"
        # Another version of Weft is another code: the environment says so.
        for name in dict.fromkeys((new or OWN, *((OWN,) if before.weft == now.weft else ()))):
            was, here = before.packs.get(name), now.packs.get(name)
            if was is not None and here is not None and was != here:
                yield f"the code of {name} has digest {here[:12]}, it had {was[:12]}"

    # What else there is to say

    def _notes(self, verdicts: Sequence[NodeVerdict]) -> Iterator[str]:
        """What changed without consequence."""
        for verdict in verdicts:
            if verdict.changes:
                yield f"{verdict.where}: {verdict.changes[0].text}; without consequence"
            elif verdict.state in (NEW, MISSING):
                yield f"{verdict.where}: {_NEW if verdict.state == NEW else _MISSING}; without consequence"
        count = Counter(verdict.state for verdict in verdicts)
        if count[UNSEEN]:
            yield f"{count[UNSEEN]} of {len(self.old)} nodes did not run: what they feed was in the cache"


_NEW = "the workflow has this node, the golden has not"
_MISSING = "the golden has this node, the workflow has not"


def _ends(nodes: Mapping[str, NodeRecord]) -> set[str]:
    """The nodes from which nothing is taken: where a workflow ends."""
    return set(nodes) - {source for node in nodes.values() for source, _ in node.links.values()}


def _state(findings: Sequence[Finding]) -> str:
    states = {finding.state for finding in findings}
    return next((state for state in (DIVERGED, CHANGED, WITHIN) if state in states), SAME)


def _equal(got: Leaf, expected: Leaf) -> bool:
    if isinstance(got, TensorLeaf) and isinstance(expected, TensorLeaf):
        return got.digest == expected.digest
    # By what is written: True and 1 differ, a NaN is itself.
    return json.dumps(got.model_dump()) == json.dumps(expected.model_dump())


def _told(leaf: Leaf | None) -> str:
    return "nothing" if leaf is None else str(leaf)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _strain(name: str, value: float, limit: float) -> float:
    """How much of a limit is used: more than 1 is too much."""
    if name in LOWER:
        # What is missing to perfection, for ssim; for psnr, the ratio of the errors' sizes.
        if name == "ssim":
            return (1 - value) / (1 - limit) if limit < 1 else (0.0 if value >= 1 else math.inf)
        return 0.0 if math.isinf(value) else 10 ** ((limit - value) / 20)
    return value / limit if limit else (0.0 if value == 0 else math.inf)


def _sampled(got: TensorLeaf, expected: TensorLeaf) -> dict[str, float]:
    """Measures from statistics and some values, where the golden keeps no tensor."""
    known = [(leaf.mean, leaf.std, leaf.min, leaf.max) for leaf in (got, expected)]
    if got.bad != expected.bad or len(got.sample) != len(expected.sample) or None in (*known[0], *known[1]):
        return {"max_abs": math.inf, "max_rel": math.inf, "rms_rel": math.inf}
    assert got.mean is not None and got.std is not None and expected.mean is not None and expected.std is not None
    assert expected.min is not None and expected.max is not None
    moved = [abs(a - b) for a, b in zip(got.sample, expected.sample, strict=True)]
    moved += [abs(got.mean - expected.mean), abs(got.std - expected.std)]
    largest = max(abs(expected.min), abs(expected.max)) or 1.0
    size = math.hypot(expected.mean, expected.std) or 1.0
    spread = math.sqrt(sum(step * step for step in moved) / len(moved))
    return {"max_abs": max(moved), "max_rel": max(moved) / largest, "rms_rel": spread / size, "sampled": len(moved)}


def _cause(own: Sequence[Change]) -> tuple[str, str]:
    return own[0].kind, "; ".join(change.text for change in own)


def _ancestors(verdicts: Mapping[str, NodeVerdict]) -> dict[str, set[str]]:
    """For each node, everything above it. Verdicts are in topological order."""
    above: dict[str, set[str]] = {}
    for node_id, verdict in verdicts.items():
        above[node_id] = {*verdict.sources, *(far for near in verdict.sources for far in above.get(near, ()))}
    return above


def _merged(found: Sequence[Divergence]) -> tuple[Divergence, ...]:
    """One divergence a node, since two branches may lead up to the same one; one for all that the environment did."""
    kept: dict[str, Divergence] = {}
    for divergence in found:
        place = "" if divergence.kind == ENVIRONMENT else divergence.node.node_id
        first = kept.setdefault(place, divergence)
        more = dict.fromkeys((*first.consequences, divergence.node.node_id, *divergence.consequences))
        if place == "":
            more.pop(first.node.node_id, None)
            kept[place] = replace(first, consequences=tuple(more))
    return tuple(kept.values())
