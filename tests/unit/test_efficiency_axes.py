"""Axes of an XY plot: ramps, what goes together, and what is refused before anything runs."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.engine.schema.registry import Registry
from weft.engine.workflow.prompt import Link, Prompt
from weft.engine.workflow.validation import validate
from weft.nodes.efficiency.axes.kind import SAMPLERS
from weft.nodes.efficiency.axes.loras import merge_loras
from weft.nodes.efficiency.axes.ramps import float_ramp, int_ramp
from weft.nodes.efficiency.axes.rules import check_axes, plot_problems
from weft.nodes.efficiency.axes.table import KINDS
from weft.nodes.efficiency.errors import BadScript
from weft.nodes.efficiency.values import NOTHING, XY, ControlNetUse, LoraUse, XYPlot

REGISTRY = Registry.discover()

# Ramps


@given(st.floats(0, 100), st.floats(0, 100), st.integers(2, 50))
def test_float_ramp(first: float, last: float, count: int) -> None:
    ramp = float_ramp(first, last, count)
    assert len(ramp) == count
    # The last one is computed, and then rounded: where it lies between two thousandths, it may be either.
    assert ramp[0] == round(first, 3)
    assert ramp[-1] in (round(last - 1e-9, 3), round(last + 1e-9, 3))
    assert all(value == round(value, 3) for value in ramp)
    steps = [b - a for a, b in pairwise(ramp)]
    assert max(steps) - min(steps) <= 0.0021


@given(st.integers(-24, 10_000), st.integers(-24, 10_000), st.integers(2, 50))
def test_int_ramp_is_sorted_without_repetition(first: int, last: int, count: int) -> None:
    ramp = int_ramp(first, last, count)
    assert ramp == sorted(set(ramp))
    assert (ramp[0], ramp[-1]) == (min(first, last), max(first, last))
    assert len(ramp) <= count


def test_short_ramps() -> None:
    assert float_ramp(3.0, 8.0, 1) == [3.0]
    assert float_ramp(3.0, 8.0, 0) == []
    assert int_ramp(9, 20, 1) == [9]
    assert int_ramp(9, 20, 0) == []
    assert int_ramp(-1, -4, 6) == [-4, -3, -2, -1]  # xyin_skip_6


# Pairs of types


@pytest.mark.parametrize(
    ("x", "y", "axis", "words"),
    [
        ("Steps", "Steps", "Y", "both axes vary Steps"),
        ("Checkpoint", "Steps", "X", "connect the loader's DEPENDENCIES"),
        ("Steps", "Clip Skip (Refiner)", "Y", "connect the loader's DEPENDENCIES"),
        ("LoRA Wt", "Steps", "X", "half of a LoRA plot"),
        ("Steps", "LoRA Batch", "Y", "half of a LoRA plot"),
        ("LoRA", "LoRA Stacks", "Y", "LoRA and LoRA Stacks"),
        ("LoRA Wt", "LoRA CStr", "Y", "both decide the clip strength"),
    ],
)
def test_refused_pairs(x: str, y: str, axis: str, words: str) -> None:
    problems = list(plot_problems(x, y, has_dependencies=words.find("DEPENDENCIES") < 0))
    assert [name for name, _ in problems] == [axis]
    assert words in problems[0][1]


@pytest.mark.parametrize(
    ("x", "y"),
    [
        ("Steps", "CFG Scale"),
        ("Steps", "Nothing"),
        ("Nothing", "Nothing"),
        ("Positive Prompt S/R", "Positive Prompt S/R"),
        ("Positive Prompt S/R", "Negative Prompt S/R"),
        ("LoRA Batch", "LoRA Wt"),
        ("LoRA CStr", "LoRA MStr"),
        ("LoRA", "Checkpoint"),
        ("ControlNetStrength", "ControlNetEnd%"),
        ("VAE", "Seeds++ Batch"),
    ],
)
def test_pairs_that_make_a_plot(x: str, y: str) -> None:
    assert list(plot_problems(x, y, has_dependencies=True)) == []


def test_a_vae_needs_no_dependencies() -> None:
    assert list(plot_problems("VAE", "Scheduler", has_dependencies=False)) == []


# Samplers

_TABLE = {
    "KSampler (Efficient)": (
        "AddNoise", "ReturnNoise", "StartStep", "EndStep", "RefineStep", "Refiner", "Refiner On/Off", "AScore+",
        "AScore-",
    ),
    "KSampler Adv. (Efficient)": ("RefineStep", "Denoise", "Refiner", "Refiner On/Off", "AScore+", "AScore-"),
    "KSampler SDXL (Eff.)": ("AddNoise", "EndStep", "Denoise"),
}  # fmt: skip
_KINDS = {kind for kinds in _TABLE.values() for kind in kinds} | {"Steps", "CFG Scale", "Clip Skip", "VAE", "LoRA"}


@pytest.mark.parametrize("class_type", _TABLE)
@pytest.mark.parametrize("kind", sorted(_KINDS))
def test_what_a_sampler_cannot_vary(class_type: str, kind: str) -> None:
    """Section 5.2."""
    axis = XY(kind, (1,))
    for plot in (plot_of(axis, NOTHING), plot_of(NOTHING, axis)):
        if kind in _TABLE[class_type]:
            name = "X" if plot.x is axis else "Y"
            with pytest.raises(BadScript, match=rf"the {name} axis of the XY Plot varies .*{class_type[:8]}"):
                check_axes(class_type, plot)
        else:
            check_axes(class_type, plot)


def plot_of(x: XY, y: XY) -> XYPlot:
    return XYPlot(x, y, 0, "Horizontal", True, False, None)


def test_the_message_names_the_samplers_that_can() -> None:
    with pytest.raises(BadScript, match=r"not for KSampler Adv. \(Efficient\) but for KSampler \(Efficient\)$"):
        check_axes("KSampler Adv. (Efficient)", plot_of(XY("Denoise", (1.0,)), NOTHING))
    assert set(SAMPLERS) == set(_TABLE)


# Cells whose axes decide parts of one thing


def test_the_loras_of_a_cell() -> None:
    other = LoraUse("b", 0.3, 0.4)
    file, weight = (LoraUse("a", None, None), other), (LoraUse(None, 0.7, 0.7), other)
    assert merge_loras(file, weight) == merge_loras(weight, file) == (LoraUse("a", 0.7, 0.7), other)
    assert merge_loras((LoraUse("a", None, 0.2),), (LoraUse(None, 0.7, None),)) == (LoraUse("a", 0.7, 0.2),)
    assert merge_loras((LoraUse("a", 0.0, None),), (LoraUse("a", None, None),)) == (LoraUse("a", 0.0, 1.0),)


def test_the_control_nets_of_a_cell() -> None:
    net, image = Link("1", 0), Link("2", 0)
    x, y = ControlNetUse(net, image, 0.5, 0.0, 1.0), ControlNetUse(net, image, 1.0, 0.25, 1.0)
    share = KINDS["ControlNetStart%"].share
    assert share is not None
    assert share.merged((x,), (y,)) == (ControlNetUse(net, image, 0.5, 0.25, 1.0),)


# Workflows as they are written


def issues_of(x: Any, y: Any, sampler: str = "KSampler (Efficient)", **inputs: Any) -> list[tuple[str, str | None]]:
    """(message, input) of what is wrong with a plot of these axes, with the class_type and constants of each."""
    nodes: dict[str, Any] = {
        "1": {"class_type": "Efficient Loader", "inputs": _required("Efficient Loader", ckpt_name="m.safetensors")},
        "4": {
            "class_type": "XY Plot",
            "inputs": {**_required("XY Plot"), "dependencies": ["1", 6], "X": ["2", 0], "Y": ["3", 0]} | inputs,
        },
        "5": {
            "class_type": sampler,
            "inputs": {
                **_required(sampler),
                "model": ["1", 0],
                "positive": ["1", 1],
                "negative": ["1", 2],
                "latent_image": ["1", 3],
                "optional_vae": ["1", 4],
                "script": ["4", 0],
            }
            | inputs,
        },
    }
    for node_id, (class_type, constants) in (("2", x), ("3", y)):
        nodes[node_id] = {"class_type": class_type, "inputs": _required(class_type) | constants}
    nodes = {
        node_id: {**node, "inputs": {name: value for name, value in node["inputs"].items() if value is not None}}
        for node_id, node in nodes.items()
    }
    return [(issue.message, issue.input) for issue in validate(Prompt.parse(nodes), REGISTRY)]


def _required(class_type: str, **given: Any) -> dict[str, Any]:
    """Every required widget with its default, or its first choice."""
    found: dict[str, Any] = {}
    for name, spec in REGISTRY[class_type].by_name.items():
        if spec.section == "required" and spec.socket.is_widget:
            choices = getattr(spec.socket, "choices", None) or getattr(spec.socket, "extra_choices", None) or ("",)
            found[name] = spec.socket.options.get("default", choices[0])
    return found | given


STEPS, CFG = ("XY Input: Steps", {}), ("XY Input: CFG Scale", {})
DENOISE = ("XY Input: Denoise", {})


def test_a_good_plot() -> None:
    assert issues_of(STEPS, CFG) == []
    assert issues_of(("XY Input: Checkpoint", {}), ("XY Input: LoRA", {})) == []


def test_axes_of_one_type_are_refused() -> None:
    [(message, name)] = issues_of(STEPS, STEPS)
    assert "both axes vary Steps" in message
    assert name == "Y"


LORA_FILE = {"lora_name_1": "l.safetensors"}
LORA_NAMES = {"input_mode": "LoRA Names"}


@pytest.mark.parametrize(
    ("class_type", "given"),
    [
        ("XY Input: Clip Skip", {"batch_count": 0}),
        ("XY Input: Prompt S/R", {"search_txt": ""}),
        ("XY Input: LoRA", LORA_NAMES),
        ("XY Input: LoRA", {**LORA_NAMES, **LORA_FILE, "lora_count": 0}),
        ("XY Input: LoRA", {"input_mode": "LoRA Batch", **LORA_FILE, "batch_max": 0}),
        ("XY Input: Checkpoint", {"ckpt_count": 2, "ckpt_name_3": "c.safetensors"}),
        ("XY Input: LoRA Plot", {"input_mode": "X: Model Strength, Y: Clip Strength"}),
        ("XY Input: Control Net", {"batch_count": 0}),
        ("XY Input: Control Net Plot", {"X_batch_count": 0}),
        ("XY Input: Manual XY Entry", {"plot_type": "Positive Prompt S/R", "plot_value": "cat;;dog"}),
    ],
)
def test_an_axis_without_values_is_not_there(class_type: str, given: dict[str, Any]) -> None:
    """It asks for nothing, since the run finds no axis either."""
    found = issues_of((class_type, given), STEPS, dependencies=None)
    assert [message for message, name in found if name in ("X", "Y", "script")] == []


@pytest.mark.parametrize(
    ("class_type", "given"),
    [
        ("XY Input: Prompt S/R", {"search_txt": "cat"}),
        ("XY Input: LoRA", {**LORA_NAMES, **LORA_FILE}),
        ("XY Input: LoRA", {"input_mode": "LoRA Batch", "lora_count": 0}),
        ("XY Input: Checkpoint", {"ckpt_count": 3, "ckpt_name_3": "c.safetensors"}),
        ("XY Input: Control Net Plot", {"Y_batch_count": 0}),
        ("XY Input: Manual XY Entry", {"plot_type": "LoRA", "plot_value": "what is there is not known here"}),
    ],
)
def test_an_axis_with_values_is(class_type: str, given: dict[str, Any]) -> None:
    found = issues_of((class_type, given), STEPS, dependencies=None)
    assert any("connect the loader's DEPENDENCIES" in message for message, _ in found)


@pytest.mark.parametrize(
    ("target", "names", "there"),
    [
        ("sampler", {"sampler_1": "euler"}, True),
        ("sampler", {"scheduler_1": "karras"}, False),
        ("scheduler", {"scheduler_1": "karras"}, True),
        ("scheduler", {"sampler_1": "euler"}, False),
        ("sampler & scheduler", {"sampler_2": "euler"}, True),
    ],
)
def test_an_axis_of_samplers_or_schedulers(target: str, names: dict[str, str], there: bool) -> None:
    axis = ("XY Input: Sampler/Scheduler", {"target_parameter": target, **names})
    assert bool(issues_of(axis, axis)) == there, "the same type twice, if it is one"


def test_half_a_lora_plot_is_told_before_the_run() -> None:
    plot = ("XY Input: LoRA Plot", {"input_mode": "X: Model Strength, Y: Clip Strength", "lora_name": "l.safetensors"})
    assert issues_of(plot, plot, Y=["2", 1]) == []
    [(message, name)] = issues_of((plot[0], {**plot[1], "Y_batch_count": 0}), plot, Y=["2", 1])
    assert "half of a LoRA plot" in message
    assert name == "X"


def test_missing_dependencies_are_told() -> None:
    [(message, name)] = issues_of(STEPS, ("XY Input: Clip Skip", {}), dependencies=None)
    assert "the Y axis varies Clip Skip: connect the loader's DEPENDENCIES" in message
    assert name == "Y"


def test_an_axis_that_the_sampler_has_not() -> None:
    [(message, name)] = issues_of(DENOISE, CFG, "KSampler Adv. (Efficient)")
    assert "the X axis of the XY Plot varies Denoise, which is not for KSampler Adv. (Efficient)" in message
    assert name == "script"
    assert issues_of(DENOISE, CFG) == []


def test_a_missing_vae_is_told() -> None:
    [(message, name)] = issues_of(STEPS, CFG, optional_vae=None)
    assert "connect a VAE" in message
    assert name == "optional_vae"


def test_a_lora_plot_knows_which_output_is_which() -> None:
    """Its second output on both axes: the same type twice, not a pair."""
    plot = ("XY Input: LoRA Plot", {"input_mode": "X: LoRA Batch, Y: Model Strength"})
    assert issues_of(plot, plot, Y=["2", 1]) == []
    [(message, _)] = issues_of(plot, plot, X=["2", 1], Y=["3", 1])
    assert "both axes vary LoRA MStr" in message


def test_joined_axes_have_the_type_of_their_parts() -> None:
    joined = ("Join XY Inputs of Same Type", {"XY_1": ["3", 0], "XY_2": ["3", 0]})
    assert any("both axes vary Steps" in message for message, _ in issues_of(joined, STEPS))


def test_a_manual_entry_has_the_type_that_it_says() -> None:
    manual = ("XY Input: Manual XY Entry", {"plot_type": "Denoise", "plot_value": "1"})
    [(message, _)] = issues_of(CFG, manual, "KSampler Adv. (Efficient)")
    assert "the Y axis" in message
