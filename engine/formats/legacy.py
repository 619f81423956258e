"""Saves of older versions: classes that were renamed, and widgets that stood elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from weft.engine.formats.widgets import SEED_NAMES, WidgetSlot
from weft.engine.schema.sockets import Combo, Number

RENAMED = {
    "T2IAdapterLoader": "ControlNetLoader",
    "ConditioningAverage ": "ConditioningAverage",
    "SDV_img2vid_Conditioning": "SVD_img2vid_Conditioning",
}
"""Class types that the editor renames when it loads a workflow."""

NAMED_OUTPUTS = frozenset({"Efficient Loader", "Eff. Loader SDXL"})
"""Classes whose outputs moved between versions: a link of theirs goes by the output's name, not by its number."""

DRAWN_SEED = -1
"""What the Efficiency pack saves for a seed that its button is to draw when the workflow is queued."""

_CONTROL_WORDS = ("fixed", "increment", "decrement", "randomize")

Layout = Sequence[WidgetSlot]
Migration = Callable[[Layout, list[Any]], Any]


def migrate(class_type: str, layout: Layout, saved: Any) -> Any:
    """`widgets_values` in today's layout; a dict where only some values can be placed."""
    if isinstance(saved, list):
        for step in _MIGRATIONS.get(class_type, ()):
            saved = step(layout, saved)
            if not isinstance(saved, list):
                break
    return saved


def asks_for_a_seed(class_type: str, layout: Layout, saved: Any) -> bool:
    """Whether the save leaves the seed to be drawn; migrated, it is 0, and drawn anew in each further run."""
    if _with_seed not in _MIGRATIONS.get(class_type, ()) or not isinstance(saved, list):
        return False
    return DRAWN_SEED in saved[_seed(layout) : _seed(layout) + 2]


def misplaced(class_type: str, layout: Layout, values: Mapping[str, Any]) -> str:
    """The first widget of an Efficiency node that holds what cannot be its own, with its value; empty for none.

    Saves from before version 1 of that pack, whose nodes had other widgets, are like this.
    """
    if class_type not in _EFFICIENCY:
        return ""
    for slot in layout:
        value, socket = values.get(slot.spec.name), slot.spec.socket
        is_text = isinstance(value, str)
        if (isinstance(socket, Number) and is_text) or (isinstance(socket, Combo) and _is_number(value)):
            return f"{slot.spec.name} {value!r:.40}"
    return ""


def _without_sample_prefix(layout: Layout, saved: list[Any]) -> list[Any]:
    """Samplers were once called `sample_euler`."""
    at = _index(layout, "sampler_name")
    if at < len(saved) and isinstance(saved[at], str) and saved[at].startswith("sample_"):
        return [*saved[:at], saved[at].removeprefix("sample_"), *saved[at + 1 :]]
    return saved


def _without_sampler_state(layout: Layout, saved: list[Any]) -> list[Any]:
    """Efficiency 1.x: samplers began with `sampler_state`, and had no vae_decode, or not today's choices of it."""
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
    """Efficiency: a button, a control word, a boolean or nothing follows the seed; nothing becomes a button's null."""
    at = _seed(layout) + 1
    if at >= len(saved) or saved[at] is None or isinstance(saved[at], bool) or saved[at] in _CONTROL_WORDS:
        return saved
    return [*saved[:at], None, *saved[at:]]


def _with_seed(layout: Layout, saved: list[Any]) -> list[Any]:
    """Efficiency: a seed of -1 is drawn by the button, by default at random."""
    at = _seed(layout)
    if at >= len(saved) or saved[at] != DRAWN_SEED:
        return saved
    word = saved[at + 1] if len(saved) > at + 1 and saved[at + 1] in _CONTROL_WORDS[1:] else "randomize"
    return [*saved[:at], 0, word, *saved[at + 2 :]]


def _with_encoder_choices(layout: Layout, saved: list[Any]) -> list[Any]:
    """Efficiency 1.92: loaders had neither token_normalization nor weight_interpretation."""
    at = _index(layout, "token_normalization")
    return [*saved[:at], "none", "comfy", *saved[at:]] if at < len(saved) and _is_number(saved[at]) else saved


def _hires_fix(layout: Layout, saved: list[Any]) -> Any:
    """Efficiency 1.x: HighRes-Fix had five widgets, and the city96 upscalers had another name."""
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
    return min(_index(layout, name) for name in SEED_NAMES)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_EFFICIENCY = frozenset(
    {
        "KSampler (Efficient)",
        "KSampler Adv. (Efficient)",
        "KSampler SDXL (Eff.)",
        "Efficient Loader",
        "Eff. Loader SDXL",
        "XY Plot",
        "HighRes-Fix Script",
    }
)
_SEED: tuple[Migration, ...] = (_with_control_slot, _with_seed)
_SAMPLER: tuple[Migration, ...] = (_without_sampler_state, *_SEED)
_MIGRATIONS: dict[str, tuple[Migration, ...]] = {
    "KSampler": (_without_sample_prefix,),
    "KSamplerAdvanced": (_without_sample_prefix,),
    "KSampler (Efficient)": _SAMPLER,
    "KSampler Adv. (Efficient)": _SAMPLER,
    "KSampler SDXL (Eff.)": _SAMPLER,
    "Noise Control Script": _SEED,
    "Tiled Upscaler Script": _SEED,
    "HighRes-Fix Script": (_hires_fix, *_SEED),
    "Efficient Loader": (_with_encoder_choices,),
    "Eff. Loader SDXL": (_with_encoder_choices,),
}
