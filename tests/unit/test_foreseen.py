"""Plans as they will run: switches that are thrown before the run, numbers over links."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from weft.engine.planning.foreseen import ForeseenRun, foreseen
from weft.engine.session import Session


def node(class_type: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": inputs}


def seen(prompt: Mapping[str, Any]) -> ForeseenRun:
    session = Session()
    return foreseen(session.plan(session.read(prompt), values=False), session.settings, session.registry)


def switched(which: Mapping[str, Any]) -> ForeseenRun:
    """A mask that one of two nodes makes, as wide as another node says."""
    mask = {"value": 1.0, "width": ["side", 0], "height": 8}
    return seen(
        {
            "side": node("PrimitiveInt", value=16),
            "which": which,
            "on": node("SolidMask", **mask),
            "turned": node("InvertMask", mask=["on", 0]),
            "off": node("SolidMask", **mask),
            "switch": node("ComfySwitchNode", switch=["which", 0], on_true=["turned", 0], on_false=["off", 0]),
            "picture": node("MaskToImage", mask=["switch", 0]),
            "shown": node("PreviewImage", images=["picture", 0]),
        }
    )


def test_a_switch_that_is_known_has_the_side_that_will_run_and_its_sources_stand_before_it() -> None:
    run = switched(node("PrimitiveBoolean", value=True))
    order = [step.node_id for step in run.steps]
    assert "off" not in order
    assert order.index("on") < order.index("turned") < order.index("switch")
    assert all(step.runs for step in run.steps)
    assert run.nodes["switch"].inputs.keys() == {"switch", "on_true"}
    assert (run.nodes["switch"].inputs["switch"], run.nodes["on"].inputs["width"]) == (True, 16)


def test_of_a_switch_that_only_the_run_throws_both_sides_are_there() -> None:
    run = switched(node("StringContains", string="a cat", substring="cat", case_sensitive=True))
    assert {"on", "off"} <= {step.node_id for step in run.steps}
