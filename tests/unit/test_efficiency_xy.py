"""XY inputs and the XY Plot: the axes that widgets describe. The goldens xyin_*, man_*, join_* hold their numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from weft.engine.context import RunContext
from weft.engine.links import Link
from weft.engine.schema.registry import Registry
from weft.nodes.efficiency.errors import BadScript
from weft.nodes.efficiency.values import NOTHING, XY, ControlNetUse, Dependencies, LoraUse, Script
from weft.nodes.efficiency.xy_manual import JoinAxes, ManualEntry
from weft.nodes.efficiency.xy_plot import XyPlot

REGISTRY = Registry.discover()
MakeContext = Callable[..., RunContext]


def call(class_type: str, context: RunContext | None = None, **inputs: Any) -> tuple[Any, ...]:
    """The outputs of a node for these inputs; other widgets that count hold their defaults."""
    runnable = REGISTRY.runnable(class_type)
    given: dict[str, Any] = {}
    for name, spec in runnable.schema.by_name.items():
        if spec.section == "required" and spec.socket.is_widget:
            choices = getattr(spec.socket, "choices", None) or getattr(spec.socket, "extra_choices", None) or ("",)
            given[name] = spec.socket.options.get("default", choices[0])
    given |= inputs
    left_out = runnable.options.unused(given) if runnable.options.unused else ()
    used = {name: value for name, value in given.items() if name not in left_out}
    injected = {"context": context} if "context" in runnable.injected else {}
    result: tuple[Any, ...] = runnable.call(**used, **injected)
    return result


# Axes


def test_the_parameter_decides_which_ends_count() -> None:
    ends = {"first_start_step": 2, "last_start_step": 4, "first_step": 90, "last_step": 99}
    (found,) = call("XY Input: Steps", target_parameter="start_at_step", **ends)
    assert found == XY("StartStep", (2, 3, 4))
    (found,) = call("XY Input: Steps", target_parameter="refine_at_step", batch_count=2)
    assert found == XY("RefineStep", (10, 20))


def test_seeds_noise_and_refiner() -> None:
    assert call("XY Input: Seeds++ Batch", batch_count=2) == (XY("Seeds++ Batch", (0, 1)),)
    assert call("XY Input: Add/Return Noise") == (XY("AddNoise", ("enable", "disable")),)
    assert call("XY Input: Refiner On/Off", refine_at_percent=0.3) == (XY("Refiner On/Off", (0.3, 1)),)
    assert call("XY Input: Clip Skip", target_ckpt="Refiner") == (XY("Clip Skip (Refiner)", (-3, -2, -1)),)


def test_schedulers_alone() -> None:
    given = {"target_parameter": "scheduler", "input_count": 3, "scheduler_1": "karras", "scheduler_3": "GITS"}
    assert call("XY Input: Sampler/Scheduler", **given) == (XY("Scheduler", ("karras", "GITS")),)


def test_a_prompt_without_a_search_text_is_no_axis() -> None:
    assert call("XY Input: Prompt S/R", search_txt="") == (None,)
    (found,) = call("XY Input: Prompt S/R", target_prompt="negative", search_txt="x", replace_count=0)
    assert found == XY("Negative Prompt S/R", (("x", None),))


CHECKPOINTS = {"ckpt_name_1": "a", "clip_skip_1": -2, "vae_name_1": "v", "ckpt_name_2": "b", "ckpt_name_4": "d"}


@pytest.mark.parametrize(
    ("mode", "first"),
    [
        ("Ckpt Names", ("a", None, None)),
        ("Ckpt Names+ClipSkip", ("a", -2, None)),
        ("Ckpt Names+ClipSkip+VAE", ("a", -2, "v")),
    ],
)
def test_checkpoints(mode: str, first: tuple[Any, ...], make_context: MakeContext) -> None:
    (found,) = call("XY Input: Checkpoint", make_context(), input_mode=mode, **CHECKPOINTS)
    second = tuple(
        None if value is None else default for value, default in zip(first, ("b", -1, "Baked VAE"), strict=True)
    )
    assert found == XY("Checkpoint", (first, second))


STACK = (LoraUse("s", 0.1, 0.2),)


def test_loras(make_context: MakeContext) -> None:
    given = {"lora_name_1": "a", "model_str_1": 0.5, "clip_str_1": 0.6, "lora_name_3": "c", "lora_stack": STACK}
    (found,) = call("XY Input: LoRA", make_context(), input_mode="LoRA Names+Weights", **given)
    assert found == XY("LoRA", ((LoraUse("a", 0.5, 0.6), *STACK), (LoraUse("c", 1.0, 1.0), *STACK)))
    (found,) = call("XY Input: LoRA", make_context(), input_mode="LoRA Names", model_strength=0.9, **given)
    assert found == XY("LoRA", ((LoraUse("a", 0.9, 1.0), *STACK), (LoraUse("c", 0.9, 1.0), *STACK)))


@pytest.fixture
def batch(make_context: MakeContext) -> RunContext:
    """A context with two LoRAs, two VAEs and a checkpoint in folders named `x`."""
    context = make_context()
    for name in ("loras/x/a.safetensors", "loras/x/b.safetensors", "vae/x/v.pt", "vae/x/w.pt", "checkpoints/x/m.ckpt"):
        path = context.folders.models[0] / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return context


def test_batches(batch: RunContext) -> None:
    (found,) = call(
        "XY Input: LoRA", batch, input_mode="LoRA Batch", batch_path="x", clip_strength=0.5, lora_stack=STACK
    )
    expected = [(LoraUse(f"x/{name}.safetensors", 1.0, 0.5), *STACK) for name in "ab"]
    assert found == XY("LoRA Stacks", tuple(expected))
    (found,) = call("XY Input: VAE", batch, input_mode="VAE Batch", batch_path="x", batch_sort="descending")
    assert found == XY("VAE", ("x/w.pt", "x/v.pt"))
    (found,) = call("XY Input: Checkpoint", batch, input_mode="Checkpoint Batch", batch_path="x", target_ckpt="Refiner")
    assert found == XY("Refiner", (("x/m.ckpt", None, None),))


@pytest.mark.parametrize(
    ("words", "kind", "first", "y"),
    [
        ("LoRA Weight", "LoRA Wt", LoraUse("x/a.safetensors", None, None), LoraUse(None, 0.0, 0.0)),
        ("Model Strength", "LoRA MStr", LoraUse("x/a.safetensors", None, 0.7), LoraUse(None, 0.0, None)),
        ("Clip Strength", "LoRA CStr", LoraUse("x/a.safetensors", 0.6, None), LoraUse(None, None, 0.0)),
    ],
)
def test_a_lora_plot_over_files(words: str, kind: str, first: LoraUse, y: LoraUse, batch: RunContext) -> None:
    given = {"X_batch_path": "x", "model_strength": 0.6, "clip_strength": 0.7, "lora_stack": STACK}
    x_axis, y_axis = call("XY Input: LoRA Plot", batch, input_mode=f"X: LoRA Batch, Y: {words}", **given)
    assert (x_axis.kind, len(x_axis.values), x_axis.values[0]) == ("LoRA Batch", 2, (first, *STACK))
    assert (y_axis.kind, len(y_axis.values), y_axis.values[0]) == (kind, 3, (y, *STACK))


def test_lora_stacks_that_are_there() -> None:
    (found,) = call("XY Input: LoRA Stacks", lora_stack_2=STACK, lora_stack_4=(), lora_stack_5=(*STACK, *STACK))
    assert found == XY("LoRA Stacks", (STACK, (*STACK, *STACK)))
    assert call("XY Input: LoRA Stacks") == (None,)


NET = {"control_net": Link("1", 0), "image": Link("2", 0)}


def test_control_nets() -> None:
    other = (ControlNetUse(Link("8", 0), Link("9", 0), 1.0, 0.0, 1.0),)
    given = {"batch_count": 2, "strength": 0.8, "end_percent": 0.9, "cnet_stack": other}
    (found,) = call("XY Input: Control Net", target_parameter="start_percent", last_start_percent=0.5, **NET, **given)
    own = [ControlNetUse(Link("1", 0), Link("2", 0), 0.8, start, 0.9) for start in (0.0, 0.5)]
    assert found == XY("ControlNetStart%", tuple((use, *other) for use in own))


def test_a_control_net_plot_keeps_percentages_within_one() -> None:
    given = {"plot_type": "X: Strength, Y: End%", "X_last_value": 3.0, "Y_last_value": 3.0}
    x_axis, y_axis = call("XY Input: Control Net Plot", X_batch_count=2, Y_batch_count=2, **NET, **given)
    assert (x_axis.kind, [stack[0].strength for stack in x_axis.values]) == ("ControlNetStrength", [0.0, 3.0])
    assert (y_axis.kind, [stack[0].end_percent for stack in y_axis.values]) == ("ControlNetEnd%", [0.0, 1.0])


# By hand, and joined


def test_a_manual_entry_that_makes_no_sense_is_no_axis_and_a_warning(make_context: MakeContext) -> None:
    context = make_context().for_node("7")
    assert ManualEntry(plot_type="Sampler", plot_value="eulr", context=context) is None
    [(node_id, message)] = context.warnings
    assert node_id == "7"
    assert message == "Sampler: there is no sampler 'eulr'; did you mean 'euler'?; there is no axis"


def test_a_manual_entry_knows_the_files(make_context: MakeContext) -> None:
    context = make_context()
    (context.folders.models[0] / "checkpoints" / "m.safetensors").touch()
    found = ManualEntry(plot_type="Checkpoint", plot_value="m.safetensors,-2", context=context)
    assert found == XY("Checkpoint", (("m.safetensors", -2, None),))


def test_joined_axes(make_context: MakeContext) -> None:
    context = make_context()
    first, second = (
        XY("Positive Prompt S/R", (("a", None), ("a", "b"))),
        XY("Positive Prompt S/R", (("x", None), ("x", "y"))),
    )
    assert JoinAxes(XY_1=first, XY_2=second, context=context) == XY(
        "Positive Prompt S/R", (("a", None), ("a", "b"), ("a", "y"))
    )
    seeds = XY("Seeds++ Batch", (0, 1))
    assert JoinAxes(XY_1=seeds, XY_2=seeds, context=context) == XY("Seeds++ Batch", (0, 1, 2, 3))
    assert JoinAxes(XY_1=seeds, XY_2=None, context=context) == seeds
    assert context.warnings == []
    assert JoinAxes(XY_1=seeds, XY_2=first, context=context) is None
    [(_, message)] = context.warnings
    assert "an axis of Seeds++ Batch and one of Positive Prompt S/R cannot be joined" in message


# The plot

STEPS, CFG = XY("Steps", (1, 2)), XY("CFG Scale", (3.0,))


def plot(context: RunContext, **inputs: Any) -> Script | None:
    settings = {
        "grid_spacing": 5,
        "XY_flip": "False",
        "Y_label_orientation": "Vertical",
        "cache_models": "False",
        "ksampler_output_image": "Plot",
        "my_unique_id": "1",
    }
    return XyPlot(**settings | inputs, context=context)


def test_a_plot_is_a_script(make_context: MakeContext) -> None:
    script = plot(make_context(), X=STEPS, Y=CFG)
    assert script is not None and script.xyplot is not None
    assert (script.noise, script.hiresfix, script.tile) == (None, None, None)
    made = script.xyplot
    assert (made.x, made.y, made.spacing, made.label_orientation) == (STEPS, CFG, 5, "Vertical")
    assert (made.cache_models, made.plot_as_output, made.dependencies) == (False, True, None)
    assert hash(script) == hash(plot(make_context(), X=STEPS, Y=CFG))


def test_a_missing_axis_is_nothing(make_context: MakeContext) -> None:
    script = plot(make_context(), Y=CFG)
    assert script is not None and script.xyplot is not None
    assert script.xyplot.x == NOTHING


def test_no_axes_are_no_plot_and_a_warning(make_context: MakeContext) -> None:
    for axes in ({}, {"X": NOTHING}):
        context = make_context()
        assert plot(context, **axes) is None
        assert len(context.warnings) == 1


def test_flipped_axes(make_context: MakeContext) -> None:
    script = plot(make_context(), X=STEPS, Y=CFG, XY_flip="True")
    assert script is not None and script.xyplot is not None
    assert (script.xyplot.x, script.xyplot.y) == (CFG, STEPS)


@pytest.mark.parametrize("flip", ["False", "True"])
def test_one_axis_decides_what_the_other_could(flip: str, make_context: MakeContext) -> None:
    samplers, schedulers = XY("Sampler", (("euler", "karras"), ("heun", None))), XY("Scheduler", ("normal",))
    script = plot(make_context(), X=samplers, Y=schedulers, XY_flip=flip)
    assert script is not None and script.xyplot is not None
    assert XY("Sampler", (("euler", None), ("heun", None))) in (script.xyplot.x, script.xyplot.y)
    checkpoints = XY("Checkpoint", (("m", -2, "v"),))
    loader = Dependencies("Baked VAE", "m", None, -1, "None", None, "p", "n", "none", "comfy", None, 64, 64, (), ())
    script = plot(make_context(), X=XY("VAE", ("v",)), Y=checkpoints, XY_flip=flip, dependencies=loader)
    assert script is not None and script.xyplot is not None
    assert XY("Checkpoint", (("m", -2, None),)) in (script.xyplot.x, script.xyplot.y)


def test_a_plot_that_makes_no_sense_is_refused(make_context: MakeContext) -> None:
    with pytest.raises(BadScript, match="both axes vary Steps"):
        plot(make_context(), X=STEPS, Y=STEPS)
    with pytest.raises(BadScript, match="the Y axis varies Clip Skip: connect the loader's DEPENDENCIES"):
        plot(make_context(), X=STEPS, Y=XY("Clip Skip", (-1,)))
