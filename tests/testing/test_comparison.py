"""Verdicts on recordings made by hand: what is within, what is beyond, where it begins, which rules were needed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from weft.engine.testing.comparison import Side, compare
from weft.engine.testing.instrument import Instrument
from weft.engine.testing.records import NodeRecord, OpaqueLeaf, PlainLeaf, Recording, TensorLeaf, ValueRecord
from weft.engine.testing.tolerances import CLOSE, EXACT, Distance, Rule, Tolerances
from weft.engine.testing.verdicts import CHANGED, DIVERGED, SAME, UNSEEN, WITHIN, Comparison, Verdict, unneeded
from weft.nodes.diffusion.testing import measures

from .test_tolerances import BIRTH

BASE = torch.linspace(-2, 3, 256).reshape(1, 4, 8, 8)
OPAQUE = object()
APART = {EXACT: Distance(EXACT, ()), CLOSE: Distance(CLOSE, ("threads: 1 -> 2",))}


class Recorded:
    """A recording that is written down node by node."""

    def __init__(self, *, keep: bool = True) -> None:
        self.nodes: dict[str, NodeRecord] = {}
        self.tensors: dict[str, Any] = {}
        self.keep = keep

    def add(self, node_id: str, value: Any, *sources: str, io_type: str = "LATENT", **fields: Any) -> Recorded:
        leaf: Any
        if isinstance(value, torch.Tensor):
            leaf = TensorLeaf(kind="tensor", **measures.facts(value))
            if self.keep:
                self.tensors[leaf.digest] = value
        elif value is OPAQUE:
            leaf, io_type = OpaqueLeaf(kind="opaque", name="Model"), "MODEL"
        else:
            leaf = PlainLeaf(kind="plain", value=value)
        about = {
            "class_type": "Node",
            "title": f"node {node_id}",
            "version": "1",
            "key": f"{node_id}{fields}{[self.nodes[source].key for source in sources]}",
            "links": {f"in{number}": (source, 0) for number, source in enumerate(sources)},
            "values": (ValueRecord(name="0 OUT", type=io_type, leaves={"": leaf}),),
        }
        self.nodes[node_id] = NodeRecord(**{**about, **fields})
        return self

    @property
    def side(self) -> Side:
        return Side(Recording(BIRTH, self.nodes), self.tensors)


def compared(
    before: Recorded, now: Recorded, instrument: Instrument, apart: str = EXACT, rules: tuple[Rule, ...] = ()
) -> Comparison:
    tolerances = Tolerances(APART[apart], rules)
    return compare("w", before.side, now.side, APART[apart], tolerances, instrument)


def states(found: Comparison) -> Mapping[str, str]:
    return {verdict.node_id: verdict.state for verdict in found.nodes}


def test_equal(instrument: Instrument) -> None:
    found = compared(Recorded().add("1", BASE), Recorded().add("1", BASE.clone()), instrument)
    assert states(found) == {"1": SAME}
    assert not found.divergences


@pytest.mark.parametrize(("apart", "state"), [(EXACT, DIVERGED), (CLOSE, WITHIN)])
def test_the_class_decides(apart: str, state: str, instrument: Instrument) -> None:
    found = compared(Recorded().add("1", BASE), Recorded().add("1", BASE * (1 + 1e-5)), instrument, apart)
    assert states(found) == {"1": state}
    (finding,) = found.nodes[0].findings
    assert finding.value is not None
    assert finding.measure in ("max_abs", "rms_rel")
    assert "by class" in finding.verdict


def test_beyond_close(instrument: Instrument) -> None:
    moved = BASE.clone()
    moved[0, 2, 3, 4] += 0.1
    found = compared(Recorded().add("1", BASE), Recorded().add("1", moved), instrument, CLOSE)
    assert found.divergences[0].kind == "environment"
    (finding,) = found.nodes[0].findings
    assert finding.measures["worst"] == [0, 2, 3, 4]
    assert finding.strain > 1


def test_without_tensors_statistics_and_some_values_are_compared(instrument: Instrument) -> None:
    before = Recorded(keep=False).add("1", BASE)
    near = compared(before, Recorded().add("1", BASE * (1 + 1e-5)), instrument, CLOSE)
    far = compared(before, Recorded().add("1", BASE * 1.1), instrument, CLOSE)
    assert (states(near), states(far)) == ({"1": WITHIN}, {"1": DIVERGED})
    (finding,) = far.nodes[0].findings
    assert "over 18 numbers, since the golden keeps no tensor" in finding.verdict


def test_another_shape_is_beyond_every_tolerance(instrument: Instrument) -> None:
    rule = Rule("r", limits={"max_abs": 1e9})
    found = compared(Recorded().add("1", BASE), Recorded().add("1", BASE[..., :4]), instrument, CLOSE, (rule,))
    assert states(found) == {"1": DIVERGED}
    assert "another shape or dtype" in found.nodes[0].findings[0].verdict


@pytest.mark.parametrize(
    ("before", "now", "state"),
    [
        (1.0, 1.0, SAME),
        (1.0, 1.0 + 1e-7, WITHIN),
        (1.0, 1.1, DIVERGED),
        (1, 2, DIVERGED),
        (1, 1.0, WITHIN),
        ("a", "b", DIVERGED),
        ([1], [1], SAME),
        (True, 1, DIVERGED),
        (math.nan, math.nan, SAME),
        (math.nan, None, DIVERGED),
    ],
)
def test_plain_values(before: Any, now: Any, state: str, instrument: Instrument) -> None:
    a, b = Recorded().add("1", before, io_type="FLOAT"), Recorded().add("1", now, io_type="FLOAT")
    assert states(compared(a, b, instrument, CLOSE)) == {"1": state}


def loader(version: str, drawn: Any) -> Recorded:
    return Recorded().add("1", OPAQUE, version=version).add("2", drawn, "1").add("3", drawn + 1, "2")


def test_the_name_of_an_opaque_value_is_for_readers(instrument: Instrument) -> None:
    """Its class may be renamed in a later version of Weft: old goldens hold."""
    before, now = loader("1", BASE), loader("1", BASE)
    leaf = OpaqueLeaf(kind="opaque", name="Renamed")
    values = (ValueRecord(name="0 OUT", type="MODEL", leaves={"": leaf}),)
    now.nodes["1"] = now.nodes["1"].model_copy(update={"values": values})
    assert states(compared(before, now, instrument)) == dict.fromkeys("123", SAME)


def test_what_cannot_be_seen_is_blamed_where_it_shows(instrument: Instrument) -> None:
    found = compared(loader("1", BASE), loader("2", BASE + 1), instrument)
    assert states(found) == {"1": CHANGED, "2": DIVERGED, "3": DIVERGED}
    (divergence,) = found.divergences
    assert (divergence.node.node_id, divergence.kind) == ("1", "class")
    assert divergence.seen_at is not None
    assert divergence.seen_at.node_id == "2"
    assert divergence.consequences == ("2", "3")


def test_what_cannot_be_seen_and_never_shows_passes_with_a_note(instrument: Instrument) -> None:
    found = compared(loader("1", BASE), loader("2", BASE), instrument)
    assert not found.divergences
    assert found.notes == ('node 1 "node 1": Node has version 2, it had 1; without consequence',)


def test_two_beginnings_are_two_divergences(instrument: Instrument) -> None:
    def both(first: Any, second: Any) -> Recorded:
        return Recorded().add("1", first).add("2", second).add("3", first + second, "1", "2")

    found = compared(both(BASE, BASE), both(BASE + 1, BASE + 2), instrument)
    assert [divergence.node.node_id for divergence in found.divergences] == ["1", "2"]
    assert [divergence.consequences for divergence in found.divergences] == [("3",), ("3",)]


def test_what_the_environment_did_is_one_divergence(instrument: Instrument) -> None:
    before, now = Recorded(), Recorded()
    for node_id in ("1", "2"):
        before.add(node_id, BASE + int(node_id))
        now.add(node_id, BASE * 2 + int(node_id))
    found = compared(before, now, instrument, CLOSE)
    (divergence,) = found.divergences
    assert (divergence.node.node_id, divergence.kind, divergence.consequences) == ("1", "environment", ("2",))


def test_a_node_that_nothing_ends_in_may_come_and_go(instrument: Instrument) -> None:
    before = Recorded().add("1", BASE).add("3", BASE, "1")
    now = Recorded().add("1", BASE).add("2", BASE, "1").add("3", BASE, "2")
    found = compared(before, now, instrument)
    assert not found.divergences
    assert any("node 2" in note for note in found.notes)
    assert not compared(now, before, instrument).divergences


def test_an_end_may_not(instrument: Instrument) -> None:
    before, now = Recorded().add("1", BASE), Recorded().add("1", BASE).add("2", BASE)
    assert compared(before, now, instrument).divergences[0].kind == "new"
    assert compared(now, before, instrument).divergences[0].kind == "missing"


def served(*, whole: bool) -> tuple[Recorded, Side]:
    """A golden of a loader and the two ends that take from it, and a run in which the cache has what the loader feeds;
    not `whole`: its workflow has one end only.
    """
    before = Recorded().add("1", BASE).add("2", BASE, "1").add("3", BASE, "1")
    now = Recorded()
    for node_id in ("2", "3") if whole else ("2",):
        now.add(node_id, BASE, key=before.nodes[node_id].key, links={"in0": ("1", 0)})
    return before, Side(Recording(BIRTH, now.nodes), {}, unseen=("1",))


def test_what_did_not_run_is_unseen(instrument: Instrument) -> None:
    before, side = served(whole=True)
    found = compare("w", before.side, side, APART[EXACT], Tolerances(APART[EXACT]), instrument)
    assert states(found) == {"2": SAME, "3": SAME, "1": UNSEEN}
    assert not found.divergences
    assert "1 of 3 nodes did not run" in found.notes[0]


def test_an_end_that_is_gone_is_missing_whatever_the_cache_served(instrument: Instrument) -> None:
    before, side = served(whole=False)
    found = compare("w", before.side, side, APART[EXACT], Tolerances(APART[EXACT]), instrument)
    assert [(divergence.node.node_id, divergence.kind) for divergence in found.divergences] == [("3", "missing")]


@pytest.mark.parametrize(
    ("limit", "told"), [(1.0, "r: never needed"), (0.0, ""), (1e-4, ""), (1e-2, "r: could be tighter, 0.1% of it")]
)
def test_rules_that_are_not_needed_are_named(limit: float, told: str, instrument: Instrument) -> None:
    moved = BASE if limit == 1.0 else BASE + 1e-5
    rule = Rule("r", limits={"max_abs": limit})
    found = compared(Recorded().add("1", BASE), Recorded().add("1", moved), instrument, rules=(rule,))
    texts = unneeded([Verdict("w", Path("w.json"), found)])
    assert bool(texts) is bool(told)
    assert not told or texts[0].startswith(told)


@pytest.mark.parametrize(
    ("limits", "state"),
    [
        ({"psnr": 30.0}, WITHIN),
        ({"psnr": 60.0}, DIVERGED),
        ({"ssim": 0.9}, WITHIN),
        ({"ssim": 0.99999}, DIVERGED),
        ({"differing": 300}, WITHIN),
        ({"differing": 10}, DIVERGED),
    ],
)
def test_limits_of_pictures(limits: dict[str, float], state: str, instrument: Instrument) -> None:
    picture = torch.rand(1, 10, 10, 3, generator=torch.Generator().manual_seed(5)) * 0.9
    now = picture + torch.rand(picture.shape, generator=torch.Generator().manual_seed(6)) * 0.01
    before, after = (Recorded().add("1", value, io_type="IMAGE") for value in (picture, now))
    assert states(compared(before, after, instrument, rules=(Rule("r", limits=limits),))) == {"1": state}
