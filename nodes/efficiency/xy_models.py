"""Axes of VAEs, checkpoints and LoRAs for an XY plot."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any

from weft.engine.context import RunContext
from weft.engine.schema.authoring import Output
from weft.engine.schema.sockets import Combo, Float, Int, String
from weft.nodes.core.types import weights
from weft.nodes.efficiency.axes.inputs import AxisInput, Widgets, always, chosen, chosen_pair, names_none
from weft.nodes.efficiency.axes.ramps import axis, float_ramp
from weft.nodes.efficiency.batches import BatchMax, BatchPath, BatchSort, Subdirectories, batch_files, listed
from weft.nodes.efficiency.face import node
from weft.nodes.efficiency.loaders import VaeFile
from weft.nodes.efficiency.loading import BAKED_VAE, NONE
from weft.nodes.efficiency.slots import beyond, slots
from weft.nodes.efficiency.stackers import LoraFile, LoraStrength
from weft.nodes.efficiency.values import LoraStackValue, LoraUse, XYValue
from weft.nodes.efficiency.xy_inputs import CATEGORY, Axis

Count = Annotated[int, Int(default=3, min=0, max=50, step=1)]

# The kinds that a widget chooses between; those of X and Y where it chooses both.
_CHECKPOINTS = {"Base": "Checkpoint", "Refiner": "Refiner"}
_LORAS = {"LoRA Names": "LoRA", "LoRA Names+Weights": "LoRA", "LoRA Batch": "LoRA Stacks"}
_STRENGTHS = "X: Model Strength, Y: Clip Strength"
_LORA_PLOTS = {
    "X: LoRA Batch, Y: LoRA Weight": ("LoRA Batch", "LoRA Wt"),
    "X: LoRA Batch, Y: Model Strength": ("LoRA Batch", "LoRA MStr"),
    "X: LoRA Batch, Y: Clip Strength": ("LoRA Batch", "LoRA CStr"),
    _STRENGTHS: ("LoRA MStr", "LoRA CStr"),
}

_BATCH = frozenset({"batch_path", "subdirectories", "batch_sort", "batch_max"})


def _unused(
    counter: str, columns: Mapping[str, Any], idle: Mapping[str, tuple[str, ...]]
) -> Callable[[Mapping[str, Any]], frozenset[str]]:
    """A folder is idle where files are named one by one, they are where a folder is; `idle` has columns by mode."""

    def found(constants: Mapping[str, Any]) -> frozenset[str]:
        mode = str(constants.get("input_mode", ""))
        if mode.endswith("Batch"):
            return beyond(0, columns) | {counter}
        return _BATCH | beyond(constants.get(counter), columns) | beyond(0, idle.get(mode, ()))

    return found


_VAE_COLUMNS: dict[str, Any] = {
    "vae_name": Annotated[str, weights("vae", extra_choices=(NONE, BAKED_VAE), default=NONE)],
}


@node(
    class_type="XY Input: VAE",
    category=CATEGORY,
    fingerprint=listed("vae", "Batch"),
    unused=_unused("vae_count", _VAE_COLUMNS, {}),
)
@slots(**_VAE_COLUMNS)
def VaeAxis(
    *,
    input_mode: Annotated[str, Combo(("VAE Names", "VAE Batch"))],
    batch_path: BatchPath,
    subdirectories: Subdirectories,
    batch_sort: BatchSort,
    batch_max: BatchMax,
    vae_count: Count,
    slots: list[tuple[str]],
    context: RunContext,
) -> Axis:
    """Compare VAEs.

    Args:
        input_mode: Named one by one, or all that lie in a folder.
        batch_path: The folder: below a vae folder, or an absolute path.
        subdirectories: Whether the folders in it are searched too.
        batch_sort: By name, up or down.
        batch_max: How many files at most; -1 takes all.
        vae_count: How many of the entries below count.
        vae_name: A VAE; None for none.
    """
    if input_mode == "VAE Batch":
        return axis("VAE", batch_files(context.folders, "vae", batch_path, subdirectories, batch_sort, batch_max))
    return axis("VAE", [name for (name,) in slots[:vae_count] if name != NONE])


_CHECKPOINT_COLUMNS: dict[str, Any] = {
    "ckpt_name": Annotated[str, weights("checkpoints", extra_choices=(NONE,), default=NONE)],
    "clip_skip": Annotated[int, Int(default=-1, min=-24, max=-1, step=1)],
    "vae_name": VaeFile,
}
_CHECKPOINT_MODES = ("Ckpt Names", "Ckpt Names+ClipSkip", "Ckpt Names+ClipSkip+VAE", "Checkpoint Batch")
_CHECKPOINT_IDLE = {"Ckpt Names": ("clip_skip", "vae_name"), "Ckpt Names+ClipSkip": ("vae_name",)}


@node(
    class_type="XY Input: Checkpoint",
    category=CATEGORY,
    fingerprint=listed("checkpoints", "Batch"),
    unused=_unused("ckpt_count", _CHECKPOINT_COLUMNS, _CHECKPOINT_IDLE),
)
@slots(**_CHECKPOINT_COLUMNS)
def CheckpointAxis(
    *,
    target_ckpt: Annotated[str, Combo(tuple(_CHECKPOINTS))],
    input_mode: Annotated[str, Combo(_CHECKPOINT_MODES)],
    batch_path: BatchPath,
    subdirectories: Subdirectories,
    batch_sort: BatchSort,
    batch_max: BatchMax,
    ckpt_count: Count,
    slots: list[tuple[Any, ...]],
    context: RunContext,
) -> Axis:
    """Compare checkpoints, each with its own clip skip and VAE where the mode says so.

    Args:
        target_ckpt: The base, or SDXL's refiner.
        input_mode: Named one by one, with or without clip skip and VAE, or all that lie in a folder.
        batch_path: The folder: below a checkpoints folder, or an absolute path.
        subdirectories: Whether the folders in it are searched too.
        batch_sort: By name, up or down.
        batch_max: How many files at most; -1 takes all.
        ckpt_count: How many of the entries below count.
        ckpt_name: A checkpoint; None for none.
        clip_skip: Where its text encoder stops; -1 is the last layer.
        vae_name: A VAE, or the one in the checkpoint.
    """
    kind = _CHECKPOINTS[target_ckpt]
    if input_mode == "Checkpoint Batch":
        names = batch_files(context.folders, "checkpoints", batch_path, subdirectories, batch_sort, batch_max)
        return axis(kind, [(name, None, None) for name in names])
    # Where a mode has no clip skip or VAE, its columns were left out as unused and are None.
    return axis(kind, [entry for entry in slots[:ckpt_count] if entry[0] != NONE])


_LORA_COLUMNS: dict[str, Any] = {"lora_name": LoraFile, "model_str": LoraStrength, "clip_str": LoraStrength}


@node(
    class_type="XY Input: LoRA",
    category=CATEGORY,
    fingerprint=listed("loras", "Batch"),
    unused=_unused("lora_count", _LORA_COLUMNS, {"LoRA Names": ("model_str", "clip_str")}),
)
@slots(**_LORA_COLUMNS)
def LoraAxis(
    *,
    input_mode: Annotated[str, Combo(tuple(_LORAS))],
    batch_path: BatchPath,
    subdirectories: Subdirectories,
    batch_sort: BatchSort,
    batch_max: BatchMax,
    lora_count: Count,
    model_strength: LoraStrength,
    clip_strength: LoraStrength,
    slots: list[tuple[Any, ...]],
    lora_stack: LoraStackValue = (),
    context: RunContext,
) -> Axis:
    """Compare LoRAs, each in front of the stack given.

    Args:
        input_mode: Named one by one, with or without strengths of their own, or all that lie in a folder.
        batch_path: The folder: below a loras folder, or an absolute path.
        subdirectories: Whether the folders in it are searched too.
        batch_sort: By name, up or down.
        batch_max: How many files at most; -1 takes all.
        lora_count: How many of the entries below count.
        lora_name: A LoRA; None for none.
        model_str: Its strength on the diffusion model, where it has one of its own.
        clip_str: Its strength on the text encoder, where it has one of its own.
        model_strength: The strength on the diffusion model of those that have none of their own.
        clip_strength: The one on the text encoder.
        lora_stack: LoRAs that every cell has too.
    """
    if input_mode == "LoRA Batch":
        names = batch_files(context.folders, "loras", batch_path, subdirectories, batch_sort, batch_max)
        entries = [LoraUse(name, model_strength, clip_strength) for name in names]
    elif input_mode == "LoRA Names":
        entries = [LoraUse(name, model_strength, clip_strength) for name, _, _ in slots[:lora_count] if name != NONE]
    else:
        entries = [LoraUse(*entry) for entry in slots[:lora_count] if entry[0] != NONE]
    return axis(_LORAS[input_mode], [(entry, *(lora_stack or ())) for entry in entries])


def _unused_in_plot(constants: Mapping[str, Any]) -> frozenset[str]:
    mode = constants.get("input_mode")
    if mode == _STRENGTHS:
        return frozenset({"X_batch_path", "X_subdirectories", "X_batch_sort"})
    return frozenset({"lora_name", "X_first_value", "X_last_value"} if mode in _LORA_PLOTS else ())


@node(
    class_type="XY Input: LoRA Plot",
    category=CATEGORY,
    fingerprint=listed("loras", "Batch", "X_"),
    unused=_unused_in_plot,
)
def LoraPlot(
    *,
    input_mode: Annotated[str, Combo(tuple(_LORA_PLOTS))],
    lora_name: LoraFile,
    model_strength: LoraStrength,
    clip_strength: LoraStrength,
    X_batch_count: Count,
    X_batch_path: Annotated[str, String(default="/example_folder", multiline=False)],
    X_subdirectories: Subdirectories,
    X_batch_sort: BatchSort,
    X_first_value: Annotated[float, Float(default=0.0, min=-10.0, max=10.0, step=0.01)],
    X_last_value: LoraStrength,
    Y_batch_count: Count,
    Y_first_value: Annotated[float, Float(default=0.0, min=-10.0, max=10.0, step=0.01)],
    Y_last_value: LoraStrength,
    lora_stack: LoraStackValue = (),
    context: RunContext,
) -> tuple[Annotated[XYValue, Output("X")] | None, Annotated[XYValue, Output("Y")] | None]:
    """Both axes of a LoRA's plot: files against strengths, or one strength against the other.

    Args:
        input_mode: What X and Y vary.
        lora_name: The LoRA whose strengths are varied.
        model_strength: The strength on the diffusion model where neither axis varies it.
        clip_strength: The one on the text encoder.
        X_batch_count: How many values X has: files at most, or strengths.
        X_batch_path: The folder of X's files: below a loras folder, or an absolute path.
        X_subdirectories: Whether the folders in it are searched too.
        X_batch_sort: By name, up or down.
        X_first_value: X's first strength.
        X_last_value: X's last strength.
        Y_batch_count: How many strengths Y has.
        Y_first_value: Y's first strength.
        Y_last_value: Y's last strength.
        lora_stack: LoRAs that every cell has too.
    """
    x_kind, y_kind = _LORA_PLOTS[input_mode]
    stack = tuple(lora_stack or ())
    if input_mode == _STRENGTHS:
        if lora_name == NONE:
            return None, None
        x = [LoraUse(lora_name, value, None) for value in float_ramp(X_first_value, X_last_value, X_batch_count)]
        name = lora_name
    else:
        fixed_model = model_strength if y_kind == "LoRA CStr" else None
        fixed_clip = clip_strength if y_kind == "LoRA MStr" else None
        files = batch_files(context.folders, "loras", X_batch_path, X_subdirectories, X_batch_sort, X_batch_count)
        x, name = [LoraUse(file, fixed_model, fixed_clip) for file in files], None
    y = [
        LoraUse(name, None if y_kind == "LoRA CStr" else value, None if y_kind == "LoRA MStr" else value)
        for value in float_ramp(Y_first_value, Y_last_value, Y_batch_count)
    ]
    return axis(x_kind, [(lora, *stack) for lora in x]), axis(y_kind, [(lora, *stack) for lora in y])


@node(class_type="XY Input: LoRA Stacks", category=CATEGORY)
def LoraStacksAxis(
    *,
    node_state: Annotated[str, Combo(("Enabled",))],
    lora_stack_1: LoraStackValue | None = None,
    lora_stack_2: LoraStackValue | None = None,
    lora_stack_3: LoraStackValue | None = None,
    lora_stack_4: LoraStackValue | None = None,
    lora_stack_5: LoraStackValue | None = None,
) -> Axis:
    """Compare whole stacks of LoRAs.

    Args:
        node_state: Only Enabled; bypass the node to leave it out.
        lora_stack_1: A stack.
        lora_stack_2: Another.
        lora_stack_3: Another.
        lora_stack_4: Another.
        lora_stack_5: Another.
    """
    stacks = (lora_stack_1, lora_stack_2, lora_stack_3, lora_stack_4, lora_stack_5)
    return axis("LoRA Stacks", [stack for stack in stacks if stack])


def _names_no_lora(given: Widgets, slot: int) -> bool:
    return (given.get("input_mode"), given.get("lora_name")) == (_STRENGTHS, NONE)


INPUTS = {
    "XY Input: VAE": AxisInput(always("VAE"), names_none("vae_count", "vae_name")),
    "XY Input: Checkpoint": AxisInput(chosen("target_ckpt", _CHECKPOINTS), names_none("ckpt_count", "ckpt_name")),
    "XY Input: LoRA": AxisInput(chosen("input_mode", _LORAS), names_none("lora_count", "lora_name")),
    "XY Input: LoRA Plot": AxisInput(chosen_pair("input_mode", _LORA_PLOTS), _names_no_lora),
    "XY Input: LoRA Stacks": AxisInput(always("LoRA Stacks")),
}
"""What their widgets show of the axis, by class_type."""
