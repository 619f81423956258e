"""What stands beside the rows and columns of a plot."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from typing import Any

from nodes.efficiency.values import XY

_SHORTER = (("_ancestral", "_a"), ("uniform", "u"), ("exponential", "exp"))


def labels_of(axis: XY, seed: int) -> tuple[str, ...]:
    """One label a value of the axis; `seed` is the sampler's. None for an axis that is not there."""
    if axis.kind == "Nothing":
        return ()
    return tuple(_LABELS[axis.kind](value, seed) for value in axis.values)


def shortened(label: str, most: int = 42) -> str:
    """A label for a line of progress: not longer than `most` characters."""
    return label if len(label) <= most else label[: most - 3] + "..."


def _stem(name: Any) -> str:
    return PurePosixPath(str(name).replace("\\", "/")).stem


def _number(value: Any) -> str:
    return f"{round(value, 4)}" if isinstance(value, float) else f"{value}"


def _plain(name: str) -> Callable[[Any, int], str]:
    return lambda value, seed: f"{name}: {_number(value)}"


def _sampler(value: Any, seed: int) -> str:
    name, scheduler = value
    text = name if scheduler is None else f"{name} ({scheduler})"
    for long, short in _SHORTER:
        text = text.replace(long, short)
    return text


def _scheduler(value: Any, seed: int) -> str:
    return _sampler((value, None), seed)


def _checkpoint(value: Any, seed: int) -> str:
    name, clip_skip, vae = value
    parts = [_stem(name)]
    if clip_skip is not None:
        parts.append(f"ClipSkip ({clip_skip})")
    if vae is not None:
        parts.append(f"VAE: {_stem(vae)}")
    return ", ".join(parts)


def _loras(value: Any, seed: int) -> str:
    return (
        ", ".join(f"LoRA: {_stem(name)}({_number(model)},{_number(clip)})" for name, model, clip in value) or "no LoRA"
    )


def _lora_part(name: str, place: int) -> Callable[[Any, int], str]:
    return lambda value, seed: f"{name}: {_stem(value[0][0]) if place == 0 else _number(value[0][place])}"


def _control_net(kind: str, field: str) -> Callable[[Any, int], str]:
    return lambda value, seed: f"{kind}: {_number(getattr(value[0], field))}"


def _replaced(sign: str) -> Callable[[Any, int], str]:
    return lambda value, seed: sign + (value[0] if value[1] is None else value[1])


_LABELS: Mapping[str, Callable[[Any, int], str]] = {
    "Seeds++ Batch": lambda value, seed: f"Seed: {seed + value}",
    "Steps": _plain("Steps"),
    "StartStep": _plain("StartStep"),
    "EndStep": _plain("EndStep"),
    "RefineStep": _plain("RefineStep"),
    "Refiner On/Off": lambda value, seed: "Refiner: off" if value == 1 else f"Refiner: at {value:.0%}",
    "AddNoise": _plain("AddNoise"),
    "ReturnNoise": _plain("ReturnNoise"),
    "CFG Scale": _plain("CFG"),
    "Sampler": _sampler,
    "Scheduler": _scheduler,
    "Denoise": _plain("Denoise"),
    "VAE": lambda value, seed: f"VAE: {_stem(value)}",
    "Positive Prompt S/R": _replaced(""),
    "Negative Prompt S/R": _replaced("(-) "),
    "AScore+": _plain("+AScore"),
    "AScore-": _plain("-AScore"),
    "Checkpoint": _checkpoint,
    "Refiner": lambda value, seed: f"Refiner: {_checkpoint(value, seed)}",
    "Clip Skip": lambda value, seed: f"ClipSkip ({value})",
    "Clip Skip (Refiner)": lambda value, seed: f"RefClipSkip ({value})",
    "LoRA": _loras,
    "LoRA Stacks": _loras,
    "LoRA Batch": _lora_part("LoRA", 0),
    "LoRA Wt": _lora_part("LoRA Wt", 1),
    "LoRA MStr": _lora_part("LoRA MStr", 1),
    "LoRA CStr": _lora_part("LoRA CStr", 2),
    "ControlNetStrength": _control_net("ControlNetStrength", "strength"),
    "ControlNetStart%": _control_net("ControlNetStart%", "start_percent"),
    "ControlNetEnd%": _control_net("ControlNetEnd%", "end_percent"),
}
