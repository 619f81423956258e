"""What a comparison found: a finding for each value, a verdict for each node, one for the workflow."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from weft.engine.comparing.changes import Change
from weft.engine.testing.instrument import Tensor
from weft.engine.testing.records import Birth, NodeRecord, label

SAME, WITHIN, CHANGED, DIVERGED = "same", "within", "changed", "diverged"
FAILED, NEW, MISSING, UNSEEN, RAN, HELD = "failed", "new", "missing", "unseen", "ran", "held"
NODE_STATES: Mapping[str, str] = {
    SAME: "equal, bit for bit",
    WITHIN: "differs within its tolerance",
    CHANGED: "computed from something else; what it gives shows only further down",
    DIVERGED: "differs beyond its tolerance",
    FAILED: "raised",
    NEW: "is not in the golden",
    MISSING: "is in the golden and no longer there",
    UNSEEN: "did not run",
    RAN: "ran; there is no golden to compare with",
    HELD: "ran, and what it asserts holds",
}
BAD = (DIVERGED, FAILED, NEW, MISSING)

PASSED, DIFFERENT, BROKEN, SKIPPED = "passed", "failed", "error", "skipped"


@dataclass(frozen=True)
class Finding:
    """One value: its slot and place, what was measured against which limit, and whose rule that is.

    `strain` is how much of the limit is used; more than 1 is too much.
    `measures` is all that was measured. `got` and `expected` describe both sides; the tensors are there for pictures.
    """

    slot: str
    place: str
    io_type: str
    state: str
    got: str
    expected: str
    measure: str = ""
    value: float | None = None
    limit: float | None = None
    rule: str = ""
    strain: float = 0.0
    measures: Mapping[str, Any] = field(default_factory=dict)
    tensors: tuple[Tensor, Tensor] | None = field(default=None, repr=False, compare=False)

    @property
    def name(self) -> str:
        """`LATENT samples`."""
        return f"{label(self.slot)} {self.place}".strip()

    @property
    def verdict(self) -> str:
        """`max_abs 0.5, limit 0.02 by class close (threads: 1 -> 2)`."""
        if not self.measure:
            return self.rule
        if self.value is None:
            return f"{self.measure} ({self.rule})" if self.rule else self.measure
        limit = "no difference allowed" if self.limit is None else f"limit {number(self.limit)}"
        return f"{self.measure} {number(self.value)}, {limit}, by {self.rule}"

    def to_json(self) -> dict[str, Any]:
        """As plain JSON data; infinity is text."""
        data = {
            "slot": self.slot,
            "place": self.place,
            "type": self.io_type,
            "state": self.state,
            "got": self.got,
            "expected": self.expected,
            "measure": self.measure,
            "value": self.value,
            "limit": self.limit,
            "rule": self.rule,
            "measures": dict(self.measures),
        }
        return {name: _json(value) for name, value in data.items() if value not in ("", None, {})}


@dataclass(frozen=True)
class NodeVerdict:
    """One node of now, or one of the golden that is missing. `changes` are at the node itself, not above it."""

    node_id: str
    title: str
    class_type: str
    state: str
    findings: tuple[Finding, ...] = ()
    changes: tuple[Change, ...] = ()
    sources: tuple[str, ...] = ()
    consequence: bool = False
    message: str = ""
    seconds: float | None = None

    @property
    def where(self) -> str:
        """`node 5 "KSampler"`."""
        return f'node {self.node_id} "{self.title}"'

    def to_json(self) -> dict[str, Any]:
        """As plain JSON data."""
        return {
            "node_id": self.node_id,
            "title": self.title,
            "class_type": self.class_type,
            "state": self.state,
            "consequence": self.consequence,
            "changes": [change._asdict() for change in self.changes],
            "findings": [finding.to_json() for finding in self.findings],
            **({"message": self.message} if self.message else {}),
            **({"seconds": round(self.seconds, 6)} if self.seconds is not None else {}),
        }


@dataclass(frozen=True)
class Divergence:
    """Where a difference begins, and why.

    `kind` is class, input, file, link (what it is computed from changed), environment, code, output, failure, new or
    missing.
    `seen_at` is the node whose values show it, where the first node's own cannot be compared.
    """

    node: NodeVerdict
    kind: str
    cause: str
    seen_at: NodeVerdict | None = None
    consequences: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As plain JSON data."""
        return {
            "node_id": self.node.node_id,
            "title": self.node.title,
            "class_type": self.node.class_type,
            "kind": self.kind,
            "cause": self.cause,
            "consequences": list(self.consequences),
            **({"seen_at": self.seen_at.node_id} if self.seen_at is not None else {}),
        }


@dataclass(frozen=True)
class Comparison:
    """Two recordings compared: the nodes in the order of execution, and where they begin to differ.

    `used` says of each rule that spoke about a value how much of its limit was needed at most.
    """

    nodes: tuple[NodeVerdict, ...] = ()
    divergences: tuple[Divergence, ...] = ()
    tolerance: str = ""
    why: str = ""
    differences: tuple[str, ...] = ()
    used: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Asserted:
    """One assertion of NAME.test.toml: what it asks, whether it holds, and what was got.

    Of a node that asserts (`node_id`), `text` is where it is and `got` what it said.
    """

    text: str
    holds: bool
    got: str = ""
    node_id: str = ""

    @property
    def why(self) -> str:
        """Why it does not hold."""
        return self.got if self.node_id else f"got {self.got}"

    def to_json(self) -> dict[str, Any]:
        """As plain JSON data."""
        node = {"node_id": self.node_id} if self.node_id else {}
        return {"text": self.text, "holds": self.holds, "got": self.got, **node}


@dataclass(frozen=True)
class Verdict:
    """What became of one workflow. `error` says why nothing could be compared, `skipped` why it was not run.

    `title` and `description` are what the workflow calls itself in a TestDefinition.
    """

    name: str
    workflow: Path
    comparison: Comparison = field(default_factory=Comparison)
    assertions: tuple[Asserted, ...] = ()
    error: str = ""
    skipped: str = ""
    title: str = ""
    description: str = ""
    seconds: float = 0.0
    before: Birth | None = None
    now: Birth | None = None
    records: Mapping[str, NodeRecord] = field(default_factory=dict, repr=False)
    tensors: Mapping[str, Tensor] = field(default_factory=dict, repr=False)

    @property
    def status(self) -> str:
        """passed, failed, error or skipped."""
        if self.error or self.skipped:
            return BROKEN if self.error else SKIPPED
        held = all(asserted.holds for asserted in self.assertions)
        return PASSED if held and not self.comparison.divergences else DIFFERENT

    @property
    def is_bad(self) -> bool:
        """Whether it makes the test run fail."""
        return self.status in (DIFFERENT, BROKEN)

    @property
    def shown(self) -> str:
        """What a report calls it: its name and, if it has one, its title."""
        return f'{self.name} "{self.title}"' if self.title else self.name

    @property
    def subject(self) -> str:
        """What an error is about."""
        return "golden" if self.workflow.name.endswith(".golden.json") else "workflow"

    @property
    def told(self) -> tuple[NodeVerdict, ...]:
        """The nodes of which something is to be said beside what they assert."""
        asserting = {asserted.node_id for asserted in self.assertions}
        return tuple(node for node in self.comparison.nodes if node.node_id not in asserting)

    @property
    def first(self) -> Divergence | None:
        """The first divergence, if any."""
        return self.comparison.divergences[0] if self.comparison.divergences else None

    def to_json(self) -> dict[str, Any]:
        """As plain JSON data: no tensors."""
        found = self.comparison
        return {
            "name": self.name,
            "workflow": str(self.workflow),
            "status": self.status,
            "seconds": round(self.seconds, 3),
            **{name: said for name in ("error", "skipped", "title", "description") if (said := getattr(self, name))},
            "tolerance": {"class": found.tolerance, "because": found.why},
            "environment": list(found.differences),
            "first_divergence": self.first.to_json() if self.first is not None else None,
            "divergences": [divergence.to_json() for divergence in found.divergences],
            "nodes": [node.to_json() for node in found.nodes],
            "assertions": [asserted.to_json() for asserted in self.assertions],
            "tolerances_used": _json(found.used),
            "notes": list(found.notes),
        }


TIGHTER = 10.0
"""A rule whose limit is at least so many times what was measured is named: it could be tighter."""


def unneeded(verdicts: Sequence[Verdict]) -> list[str]:
    """The rules that no workflow needed, or not to a tenth; none where nothing is known of them."""
    used: dict[str, float] = {}
    for verdict in verdicts:
        for source, most in verdict.comparison.used.items():
            used[source] = max(used.get(source, 0.0), most)
    told = []
    for source, most in used.items():
        if most == 0:
            told.append(f"{source}: never needed, what it speaks about is equal")
        elif most * TIGHTER <= 1:
            told.append(f"{source}: could be tighter, {most:.1%} of it was used")
    return told


def number(value: float) -> str:
    """A measure in a message."""
    return "infinite" if math.isinf(value) else f"{value:.4g}"


def _json(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return {name: _json(part) for name, part in value.items()}
    return [_json(part) for part in value] if isinstance(value, Sequence) and not isinstance(value, str) else value
