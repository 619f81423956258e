"""Saves of older versions of the Efficiency pack: widgets that stood elsewhere, values that were called otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from weft.engine.schema.frontend import Handling, Layout
from weft.engine.schema.sockets import Combo

_CONTROL_WORDS = ("fixed", "increment", "decrement", "randomize")
_DRAWN_SEED = -1
"""What the pack saves for a seed that its button is to draw when the workflow is queued."""


def _without_sampler_state(layout: Layout, saved: list[Any]) -> list[Any]:
    """Version 1: samplers began with `sampler_state`, and had no vae_decode, or not today's choices of it."""
    at = _seed(layout)
    if len(saved) < at + 2 or _is_number(saved[at]) or not _is_number(saved[at + 1]):
        return saved
    moved = _with_control_slot(layout, saved[1:])
    new = {"preview_method": "auto", "vae_decode": "true"}
    for at, slot in enumerate(layout):
        socket = slot.spec.socket
        if slot.spec.name in new and isinstance(socket, Combo):
            moved += [None] * (at + 1 - len(moved))
            moved[at] = moved[at] if moved[at] in (socket.choices or ()) else new[slot.spec.name]
    return moved


def _with_control_slot(layout: Layout, saved: list[Any]) -> list[Any]:
    """A button, a control word, a boolean or nothing follows the seed; nothing becomes a button's null."""
    at = _seed(layout) + 1
    if at >= len(saved) or saved[at] is None or isinstance(saved[at], bool) or saved[at] in _CONTROL_WORDS:
        return saved
    return [*saved[:at], None, *saved[at:]]


def _with_encoder_choices(layout: Layout, saved: list[Any]) -> list[Any]:
    """Version 1.92: loaders had neither token_normalization nor weight_interpretation."""
    at = _index(layout, "token_normalization")
    return [*saved[:at], "none", "comfy", *saved[at:]] if at < len(saved) and _is_number(saved[at]) else saved


def _hires_fix(layout: Layout, saved: list[Any]) -> Any:
    """Version 1: HighRes-Fix had five widgets, and the city96 upscalers had another name."""
    renamed = [
        "city96" + value.removeprefix("SD-Latent-Upscaler")
        if isinstance(value, str) and value.startswith("SD-Latent-Upscaler")
        else value
        for value in saved
    ]
    if len(renamed) != 5:
        return renamed
    names = ("latent_upscaler", "upscale_by", "hires_steps", "denoise", "iterations")
    return {"upscale_type": "latent", **dict(zip(names, renamed, strict=True))}


def _index(layout: Layout, name: str) -> int:
    """Where the input's value stands; beyond the end where the class has no such input."""
    return next((at for at, slot in enumerate(layout) if slot.spec.name == name), len(layout))


def _seed(layout: Layout) -> int:
    return min(_index(layout, name) for name in ("seed", "noise_seed"))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_OLD = "an Efficiency pack from before version 1"
_SAMPLER = Handling((_without_sampler_state, _with_control_slot), _DRAWN_SEED, too_old=_OLD)
_SCRIPT = Handling((_with_control_slot,), _DRAWN_SEED)
_LOADER = Handling((_with_encoder_choices,), outputs_by_name=True, too_old=_OLD)

CLASSES: Mapping[str, Handling] = {
    "KSampler (Efficient)": _SAMPLER,
    "KSampler Adv. (Efficient)": _SAMPLER,
    "KSampler SDXL (Eff.)": _SAMPLER,
    "Noise Control Script": _SCRIPT,
    "Tiled Upscaler Script": _SCRIPT,
    "HighRes-Fix Script": Handling((_hires_fix, _with_control_slot), _DRAWN_SEED, too_old=_OLD),
    "Efficient Loader": _LOADER,
    "Eff. Loader SDXL": _LOADER,
    "XY Plot": Handling(too_old=_OLD),
}
