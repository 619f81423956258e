"""A kind of axis is one record: everything that asks for a kind finds it there."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from weft.engine.context import RunContext
from weft.engine.links import Link
from weft.engine.schema.expansion import GraphBuilder
from weft.engine.schema.registry import Registry
from weft.nodes.efficiency.axes.entries import real
from weft.nodes.efficiency.axes.kind import REGULAR, SAMPLERS, AxisKind, Grammar, sets, titled
from weft.nodes.efficiency.axes.manual import MANUAL_KINDS, parse_axis
from weft.nodes.efficiency.axes.rules import plot_problems, sampler_problems
from weft.nodes.efficiency.axes.table import KINDS
from weft.nodes.efficiency.axes.written import INPUTS
from weft.nodes.efficiency.cells import Encoders, add_plot
from weft.nodes.efficiency.labels import labels_of
from weft.nodes.efficiency.sampling import Sampling
from weft.nodes.efficiency.values import NOTHING, XY, Script
from weft.nodes.efficiency.xy_manual import HELP, JoinAxes
from weft.nodes.efficiency.xy_plot import XyPlot

TOY = AxisKind(
    "Toy",
    label=titled("Toy"),
    apply=sets("cfg"),
    cost=3,
    samplers=(REGULAR,),
    grammar=Grammar(real(0.0, 9.0)),
    beside={"Steps": lambda value: -value},
)


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> AxisKind:
    """What somebody does who adds a kind: one record, in one place."""
    monkeypatch.setitem(KINDS, TOY.name, TOY)
    return TOY


def test_a_new_kind_is_one_record(toy: AxisKind) -> None:
    axis = parse_axis("Toy", "2; 11", lambda _: ())
    assert axis == XY("Toy", (2.0, 9.0))
    assert labels_of(axis, 0) == ("Toy: 2.0", "Toy: 9.0")
    assert [name for name, _ in plot_problems("Toy", "Toy", True)] == ["Y"]
    assert list(plot_problems("Toy", "Steps", False)) == []
    refused = [class_type for class_type in SAMPLERS if list(sampler_problems(class_type, "Toy", "Nothing"))]
    assert refused == ["KSampler Adv. (Efficient)", "KSampler SDXL (Eff.)"]


def test_a_new_kind_is_joined_and_plotted(toy: AxisKind, make_context: Callable[..., RunContext]) -> None:
    context = make_context()
    toys = JoinAxes(XY_1=XY("Toy", (1.0,)), XY_2=XY("Toy", (2.0,)), context=context)
    assert toys == XY("Toy", (1.0, 2.0))
    plot = XyPlot(
        grid_spacing=0,
        XY_flip="False",
        Y_label_orientation="Horizontal",
        cache_models="True",
        ksampler_output_image="Images",
        X=toys,
        Y=XY("Steps", (3, 4)),
        my_unique_id="1",
        context=context,
    )
    assert plot is not None
    assert plot.xyplot is not None
    graph = GraphBuilder("")
    add_plot(graph, sampling(), plot.xyplot, Encoders(None))
    drawn = [node["inputs"] for node in graph.nodes.values() if node["class_type"] == "KSampler"]
    assert [(item["cfg"], item["steps"]) for item in drawn] == [(-1.0, 3), (-1.0, 4), (-2.0, 3), (-2.0, 4)]


def sampling() -> Sampling:
    links = {name: Link("o", slot) for slot, name in enumerate(("model", "positive", "negative", "latent", "vae"))}
    return Sampling(
        **links,
        kind="regular",
        seed=0,
        steps=4,
        cfg=7.0,
        sampler_name="euler",
        scheduler="normal",
        decode="true",
        script=Script(),
    )


def test_what_a_kind_names_is_there() -> None:
    for kind in KINDS.values():
        assert kind.beside.keys() <= KINDS.keys()
        assert kind.samplers
        assert set(kind.samplers) <= set(SAMPLERS)


def test_an_input_gives_a_kind_that_there_is() -> None:
    """Whatever is chosen; and every kind is given by an input."""
    registry, found = Registry.discover(), set()
    for class_type, shown in INPUTS.items():
        choices = [
            {name: choice}
            for name, spec in registry[class_type].by_name.items()
            for choice in getattr(spec.socket, "choices", None) or ()
        ]
        found |= {shown.kind(given, slot) for given in ({}, *choices) for slot in (0, 1)}
    assert found - {None} == KINDS.keys()


def test_the_help_names_every_kind_that_is_written_by_hand() -> None:
    for kind in MANUAL_KINDS:
        assert kind == NOTHING.kind or kind.removeprefix("Positive ") in HELP.replace("Positive, ", ""), kind
