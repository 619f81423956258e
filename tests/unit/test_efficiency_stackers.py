"""LoRA stacks, control net stacks, SDXL tuples, and nodes with fifty of the same input."""

from __future__ import annotations

from typing import Annotated, Any

import pytest

from weft.engine.links import Link
from weft.engine.schema.authoring import node, read_function
from weft.engine.schema.expansion import GraphBuilder
from weft.engine.schema.registry import Registry
from weft.engine.schema.sockets import Int, Socket
from weft.nodes.efficiency.slots import beyond, slots, unused_slots
from weft.nodes.efficiency.stackers import ApplyControlNetStack, ControlNetStacker, LoraStackToString
from weft.nodes.efficiency.tuples import PackSdxl, PackSdxlTuple, UnpackSdxlTuple
from weft.nodes.efficiency.values import ControlNetUse, LoraUse

REGISTRY = Registry.discover()


def stacked(**inputs: Any) -> tuple[LoraUse, ...]:
    """What a LoRA Stacker gives for the inputs that count."""
    runnable = REGISTRY.runnable("LoRA Stacker")
    found: tuple[LoraUse, ...]
    (found,) = runnable.call(**inputs)
    return found


A = {"lora_name_1": "a", "lora_wt_1": 0.5, "model_str_1": 0.6, "clip_str_1": 0.7}
B = {"lora_name_2": "b", "lora_wt_2": 1.5, "model_str_2": 1.6, "clip_str_2": 1.7}


def test_simple_and_advanced() -> None:
    assert stacked(input_mode="simple", lora_count=2, **A, **B) == (LoraUse("a", 0.5, 0.5), LoraUse("b", 1.5, 1.5))
    assert stacked(input_mode="advanced", lora_count=2, **A, **B) == (LoraUse("a", 0.6, 0.7), LoraUse("b", 1.6, 1.7))


def test_own_entries_then_the_stack_without_what_is_none() -> None:
    given = (LoraUse("x", 1.0, 1.0), LoraUse("None", 1.0, 1.0), LoraUse("a", 0.5, 0.5))
    found = stacked(input_mode="simple", lora_count=1, lora_stack=given, **A, **B)
    assert found == (LoraUse("a", 0.5, 0.5), given[0], given[2])
    assert stacked(input_mode="simple", lora_count=2, **A | {"lora_name_1": "None"}, **B) == (LoraUse("b", 1.5, 1.5),)
    assert stacked(input_mode="simple", lora_count=0, **A) == ()


def test_what_is_not_looked_at() -> None:
    unused = REGISTRY.runnable("LoRA Stacker").options.unused
    assert unused is not None
    left_out = unused({"input_mode": "simple", "lora_count": 49})
    assert {"lora_name_50", "lora_wt_50", "model_str_1", "clip_str_49"} <= left_out
    assert not {"lora_name_49", "lora_wt_1"} & left_out
    assert unused({"input_mode": "advanced"}) == {f"lora_wt_{i}" for i in range(1, 51)}


def test_a_stack_as_text() -> None:
    assert (
        LoraStackToString(lora_stack=(LoraUse("a", 1.0, 0.5), LoraUse("b", 2.0, -1.0)))
        == "<lora:a:1.0:0.5> <lora:b:2.0:-1.0>"
    )
    assert LoraStackToString(lora_stack=()) == ""


def test_a_control_net_stack_grows_as_a_copy() -> None:
    """The original grew the list that it was given, with every run."""
    net, image = Link("1", 0), Link("2", 0)
    given = {"control_net": net, "image": image, "strength": 0.5, "start_percent": 0.1, "end_percent": 0.9}
    first = ControlNetStacker(**given)
    second = ControlNetStacker(**given, cnet_stack=first)
    assert first == (ControlNetUse(net, image, 0.5, 0.1, 0.9),)
    assert second == (*first, *first)


def test_a_control_net_stack_is_put_on_conditionings() -> None:
    use = ControlNetUse(Link("1", 0), Link("2", 0), 0.5, 0.1, 0.9)
    graph = GraphBuilder("9.")
    found = ApplyControlNetStack(positive=Link("3", 0), negative=Link("4", 0), cnet_stack=(use,), graph=graph)
    assert found["result"] == (Link("9.0", 0), Link("9.0", 1))
    assert found["expand"]["9.0"]["inputs"] == {"positive": Link("3", 0), "negative": Link("4", 0), **use._asdict()}
    found = ApplyControlNetStack(positive=Link("3", 0), negative=Link("4", 0), graph=GraphBuilder("9."))
    assert found == {"result": (Link("3", 0), Link("4", 0)), "expand": {}, "ui": {}}


NAMES = [f"{part}_{name}" for part in ("base", "refiner") for name in ("model", "clip", "positive", "negative")]


def test_a_tuple_is_packed_and_unpacked() -> None:
    parts: dict[str, Any] = {name: [name] for name in NAMES}
    assert UnpackSdxlTuple(sdxl_tuple=PackSdxlTuple(**parts)) == tuple(parts.values())
    assert PackSdxl(**parts) == PackSdxlTuple(**parts)
    base = {name: parts[name] for name in NAMES[:4]}
    assert UnpackSdxlTuple(sdxl_tuple=PackSdxl(**base))[4:] == (None,) * 4


# Fifty of the same input

Thing = Annotated[Any, Socket("THING")]


@node(category="test", class_type="Many", unused=unused_slots("count", "a", "b", last=3))
@slots(3, a=Annotated[int, Int(default=1)], b=Thing)
def Many(*, count: Annotated[int, Int()], slots: list[tuple[int, Any]], extra: Thing = None) -> Thing:
    """Many things.

    Args:
        count: How many.
        a: A number,
        b: Another.
        extra: One more.
    """
    return count, slots, extra


def test_one_parameter_stands_for_numbered_inputs() -> None:
    schema = read_function(Many).schema
    numbered = ["a_1", "b_1", "a_2", "b_2", "a_3", "b_3"]
    assert [spec.name for spec in schema.inputs] == ["count", *numbered, "extra"]
    assert schema.by_name["a_3"].socket == Int(default=1)
    tips = [spec.socket.options["tooltip"] for spec in schema.inputs]
    assert tips == ["How many.", "A number,", "Another.", "A number,", "Another.", "A number,", "Another.", "One more."]
    assert schema.description == "Many things."


def test_rows_in_their_order_with_none_for_what_was_left_out() -> None:
    runnable = read_function(Many)
    given = {"count": 2, "a_1": 1, "b_1": "x", "a_2": 2, "b_2": "y"}
    assert runnable.call(**given) == ((2, [(1, "x"), (2, "y"), (None, None)], None),)


@pytest.mark.parametrize(("count", "names"), [(2, {"a_3"}), (0, {"a_1", "a_2", "a_3"}), (3, set()), (None, set())])
def test_inputs_beyond_a_count(count: Any, names: set[str]) -> None:
    assert beyond(count, ["a"], 3) == names
    assert unused_slots("count", "a", last=3)({"count": count}) == names
