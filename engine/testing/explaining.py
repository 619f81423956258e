"""Why two pictures differ, from what they carry: their workflows, seeds, models, modes and versions compared.

Pixels are measured by the instrument, and only where both files are pictures whose bytes differ.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from weft.engine.comparing.changes import Change, excerpts, short
from weft.engine.comparing.graphs import ADDED, REMOVED, compare_graphs
from weft.engine.comparing.reading import MODEL_FILE, schema_of
from weft.engine.formats.widgets import SEED_NAMES, has_control
from weft.engine.schema.node import NodeSchema
from weft.engine.schema.packs import Packs
from weft.engine.schema.registry import Registry
from weft.engine.schema.sockets import Files
from weft.engine.testing.carried import Made, read_made
from weft.engine.testing.instrument import Instrument
from weft.engine.testing.matching import changes
from weft.engine.testing.records import NodeRecord
from weft.engine.workflow.validation import FILE_PREFIX

KINDS: Mapping[str, str] = {
    "workflow": "another workflow",
    "seed": "another seed",
    "model": "another model",
    "file": "another file under the same name",
    "class": "another node",
    "new": "a node more",
    "missing": "a node less",
    "picture": "another input picture",
    "text": "another text",
    "input": "another value",
    "link": "another connection",
    "mode": "another sampling mode",
    "version": "another version",
    "maker": "another program",
    "environment": "another environment",
}
"""What a reason can be, the most telling first."""

EQUAL, DIFFERENT, RESIZED, UNMEASURED, NO_PIXELS = "equal", "differ", "sizes differ", "not measured", "no pixels"

_BATCHES = ("batch_size", "amount", "batch_count")


@dataclass(frozen=True)
class Reason:
    """One thing that is recorded and differs. `shows` says whether it can change a pixel."""

    kind: str
    text: str
    node_id: str = ""
    shows: bool = True


@dataclass(frozen=True)
class Explanation:
    """Two files compared: what their pixels are to each other, and what that may come from, the most telling first."""

    before: Made
    now: Made
    pixels: str
    measures: Mapping[str, Any]
    reasons: tuple[Reason, ...]
    advice: str = ""

    @property
    def differs(self) -> bool:
        """Whether the pictures differ; where there are no pixels, whether what is recorded of them does."""
        if self.pixels == NO_PIXELS:
            return any(reason.shows for reason in self.reasons)
        return self.pixels != EQUAL

    def to_json(self) -> dict[str, Any]:
        """As plain JSON data."""
        measures = {name: value if value == value and abs(value) < 1e308 else str(value)
                    for name, value in self.measures.items() if isinstance(value, int | float)}  # fmt: skip
        rest = {name: value for name, value in self.measures.items() if name not in measures}
        return {
            "status": "differ" if self.differs else "same",
            "files": [{"path": str(made.path), "made": dict(made.by or {}), "nodes": len(made.prompt.nodes)}
                      for made in (self.before, self.now)],
            "pixels": {"state": self.pixels, **measures, **rest},
            "reasons": [vars(reason) for reason in self.reasons],
            "advice": self.advice,
        }  # fmt: skip


def explain(one: Path, other: Path, registry: Registry, instrument: Callable[[], Instrument]) -> Explanation:
    """Compare two files that carry a workflow; `instrument` is called where pixels have to be measured.

    Raises UnreadableWorkflow for a file that is not there or carries none, InvalidWorkflow for one that is broken.
    """
    before, now = (read_made(path, registry) for path in (one, other))
    pixels, measures = _pixels(before, now, instrument)
    found = sorted(
        (*_workflow(before, now, registry), *_making(before, now, registry.packs)),
        key=lambda r: list(KINDS).index(r.kind),
    )
    reasons = tuple(sorted(found, key=lambda reason: not reason.shows))
    explanation = Explanation(before, now, pixels, measures, reasons)
    unexplained = explanation.differs and not any(reason.shows for reason in reasons)
    return replace(explanation, advice=_advice(now, registry)) if unexplained else explanation


# What differs in it


def _workflow(before: Made, now: Made, registry: Registry) -> Iterator[Reason]:
    found = compare_graphs(before.records, now.records, lambda old, new, of: changes(*_known_to_both(old, new), of))
    old, new = found.before, found.now
    if 2 * found.kept < max(len(old), len(new)):
        told = f"{found.kept} nodes of {len(old)} and {len(new)} have a counterpart in the other one"
        yield Reason("workflow", told)
        return
    replaced: set[str] = set()
    for each in found.differences:
        if each.kind == ADDED:
            text = f"{_named(each.new, new[each.new])} is only in {now.path}"
            yield Reason("new", text, each.new, each.new in now.reaching)
        elif each.kind == REMOVED:
            text = f"{_named(each.old, old[each.old])} is only in {before.path}"
            yield Reason("missing", text, each.old, each.old in before.reaching)
        elif each.change is not None and each.follows is None and each.new not in replaced:
            if each.kind == "class":
                replaced.add(each.new)  # its inputs are others then
            record = new[each.new]
            reason = _reason(each.change, old[each.old], record, schema_of(record.class_type, registry))
            shows = reason.shows and (each.new in now.reaching or each.old in before.reaching)
            yield replace(reason, text=f"{_where(each.new, record)}: {reason.text}", node_id=each.new, shows=shows)


def _known_to_both(old: NodeRecord, new: NodeRecord) -> tuple[NodeRecord, NodeRecord]:
    """Two records with the digests that both have: not every file says what is in the models."""
    names = old.files.keys() & new.files.keys()
    first, second = (side.model_copy(update={"files": {n: side.files[n] for n in names}}) for side in (old, new))
    return first, second


def _reason(change: Change, old: NodeRecord, new: NodeRecord, schema: NodeSchema | None) -> Reason:
    """The change as a reason, by what the input is."""
    name = change.input
    if change.kind != "input" or name not in old.inputs or name not in new.inputs:
        return Reason(change.kind, change.text)
    was, is_ = old.inputs[name], new.inputs[name]
    spec = schema.by_name.get(name) if schema is not None else None
    if name == FILE_PREFIX:
        return Reason("input", change.text, shows=False)
    if name in SEED_NAMES or (spec is not None and has_control(spec)):
        return Reason("seed", change.text)
    if isinstance(was, str) and isinstance(is_, str):
        if spec is not None and isinstance(spec.socket, Files):
            return Reason("picture" if spec.socket.folder == "input" else "model", change.text)
        if MODEL_FILE.search(was) or MODEL_FILE.search(is_):
            return Reason("model", change.text)
        if " " in was + is_:
            return Reason("text", f"input {name!r}: {' -> '.join(map(repr, excerpts(was, is_)))}")
    return Reason("input", change.text)


def _where(node_id: str, record: NodeRecord) -> str:
    return f'node {node_id} "{record.title}"'


def _named(node_id: str, record: NodeRecord) -> str:
    return _where(node_id, record) + (f", {record.class_type}" if record.title != record.class_type else "")


# What differs in how it was made


def _making(before: Made, now: Made, packs: Packs) -> Iterator[Reason]:
    if before.by is None or now.by is None:
        if before.kind and now.kind and (before.by is None) != (now.by is None):
            ours, other = (before, now) if now.by is None else (now, before)
            version = (ours.by or {}).get("version", "of unknown version")
            yield Reason("maker", f"{ours.path} was written by Weft {version}, {other.path} does not say so")
        return
    called = {name: ("mode", setting.label) for name, setting in packs.recorded.items()}
    called |= {name: ("mode", f"version of {version.of}") for name, version in packs.versions.items()}
    called["version"] = ("version", "Weft")
    for name in dict.fromkeys([*before.by, *now.by]):
        was, is_ = before.by.get(name), now.by.get(name)
        # The models are compared where nodes name them.
        if was != is_ and name != "models":
            kind, said = called.get(name, ("environment", name))
            yield Reason(kind, f"{said}: {_plain(was)} -> {_plain(is_)}")


def _plain(value: Any) -> str:
    return "not given" if value is None else value if isinstance(value, str) else short(value)


# The pixels


def _pixels(before: Made, now: Made, instrument: Callable[[], Instrument]) -> tuple[str, dict[str, Any]]:
    if not before.kind or not now.kind:
        return NO_PIXELS, {}
    if before.path.read_bytes() == now.path.read_bytes():
        return EQUAL, {}
    measure = instrument()
    expected, got = (measure.read_picture(made.path) for made in (before, now))
    if expected is None or got is None or len(expected) != len(got):
        return UNMEASURED, {}
    sizes = [(tensor.shape[2], tensor.shape[1]) for tensor in (expected, got)]
    if sizes[0] != sizes[1]:
        return RESIZED, {"sizes": sizes}
    if expected.shape == got.shape and measure.digest(expected) == measure.digest(got):
        return EQUAL, {}
    channels = {"channels": [expected.shape[3], got.shape[3]]} if expected.shape != got.shape else {}
    found = measure.difference(_colors(got), _colors(expected), picture=True)
    return DIFFERENT, {**found, **channels}


def _colors(picture: Any) -> Any:
    """Red, green and blue [F,H,W,3] of a picture that may be grey or have an alpha channel."""
    return picture.expand(-1, -1, -1, 3) if picture.shape[3] == 1 else picture[..., :3]


# Where nothing tells


def _advice(made: Made, registry: Registry) -> str:
    """Where to look when nothing that is recorded differs."""
    places = [
        node_id
        for node_id, node in made.prompt.nodes.items()
        if (schema := schema_of(node.class_type, registry)) is not None
        and schema.output_node
        and any(spec.name == "images" for spec in schema.inputs)
    ]
    batches = [
        f"{name} {value}"
        for record in made.records.values()
        for name, value in record.inputs.items()
        if name in _BATCHES and isinstance(value, int) and value > 1
    ]
    told = []
    if len(places) > 1:
        told.append(f"the workflow writes pictures in {len(places)} places (nodes {', '.join(places)})")
    if batches:
        told.append(f"it draws batches ({', '.join(batches)})")
    if told:
        return f"they may be two pictures of one run: {' and '.join(told)}"
    named = made.by is not None and isinstance(made.by.get("models"), Mapping)
    models = "" if named else ", in what is in the model files (only their names are recorded)"
    return (
        "the reason lies in the environment: processor or GPU, number of threads, device and dtype, versions of torch "
        f"and other packages{models}, or in nodes that are not deterministic; weft test record remembers all of it"
    )
