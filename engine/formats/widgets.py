"""Widgets: which inputs have one, what stands where in `widgets_values`, and what a value of theirs becomes."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any, Literal

from engine.definition import InputSpec, NodeDefinition
from engine.sockets import Boolean, Combo, Files, Float, Int, Number, Socket, String

SEED_NAMES = ("seed", "noise_seed")
MISSING: Any = object()
"""No value; None is one, since a save may hold null."""

_UPLOADS = ("image_upload", "video_upload", "animated_image_upload")
_EMPTY: dict[type[Socket], Any] = {Int: 0, Float: 0, String: "", Boolean: False}
_FLOAT_STEP = 0.5
_SAFE_INTEGER = 2**53
_EXACT = Context(prec=60)

Role = Literal["value", "control", "filter", "upload"]


@dataclass(frozen=True)
class WidgetSlot:
    """One entry of `widgets_values`. Only those of role `value` are sent; the others belong to the editor.

    `control` is what happens to the value after each run, `filter` narrows a list of choices, `upload` is a button.
    """

    spec: InputSpec
    role: Role = "value"


@dataclass(frozen=True)
class Held:
    """What the widgets of a node hold, by input name; one without a value is left out.

    `controls` is what stands in the control slots (None for a button, absent where the list ends before);
    `places` is where in `widgets_values` a value stands.
    """

    values: dict[str, Any] = field(default_factory=dict)
    controls: dict[str, Any] = field(default_factory=dict)
    places: dict[str, int | str] = field(default_factory=dict)


def is_widget(spec: InputSpec) -> bool:
    """Whether the editor shows a widget for the input."""
    return spec.socket.is_widget and not spec.socket.options.get("forceInput")


def has_control(spec: InputSpec) -> bool:
    """Whether a control word follows the value."""
    flag = spec.socket.options.get("control_after_generate")
    if isinstance(spec.socket, Int) and flag is None:
        return spec.name in SEED_NAMES
    return bool(flag) and isinstance(spec.socket, Int | Combo)


def slots(definition: NodeDefinition) -> tuple[WidgetSlot, ...]:
    """What each entry of `widgets_values` of a node of the class stands for."""
    found: list[WidgetSlot] = []
    button: WidgetSlot | None = None
    for spec in definition.by_name.values():
        if not is_widget(spec):
            continue
        found.append(WidgetSlot(spec))
        if has_control(spec):
            found.append(WidgetSlot(spec, "control"))
            if isinstance(spec.socket, Combo):
                found.append(WidgetSlot(spec, "filter"))
        if spec.section == "required" and any(spec.socket.options.get(name) for name in _UPLOADS):
            button = WidgetSlot(spec, "upload")
    return tuple(found) if button is None else (*found, button)


def default_of(socket: Socket) -> Any:
    """What the editor puts into a widget that is given nothing; MISSING where there is nothing to choose from."""
    default = socket.options.get("default")
    if default is not None:
        return default
    if isinstance(socket, Combo):
        choices = socket.extra_choices if isinstance(socket, Files) else socket.choices
        return next(iter(choices or ()), MISSING)
    return _EMPTY.get(type(socket), MISSING)


def hold(definition: NodeDefinition, layout: Iterable[WidgetSlot], saved: Any) -> Held:
    """What the widgets hold after the editor loaded `saved`: a list by position, an object by name, None for nothing.

    Nothing is checked, clamped or rounded. What is missing has its default, and so has a null in a list of choices.
    """
    held = Held()
    entries = _without_forced(definition, saved) if isinstance(saved, list) else ()
    named = saved if isinstance(saved, Mapping) else {}
    for index, slot in enumerate(layout):
        name = slot.spec.name
        place, value = entries[index] if index < len(entries) else (name, MISSING)
        if slot.role == "value":
            value = named.get(name, value)
            if value is MISSING or (value is None and isinstance(slot.spec.socket, Combo)):
                value = default_of(slot.spec.socket)
            else:
                held.places[name] = place
            if value is not MISSING:
                held.values[name] = plain(value)
        elif slot.role == "control":
            value = named.get("control_after_generate", value)
            if value is not MISSING:
                held.controls[name] = value
    return held


def _without_forced(definition: NodeDefinition, saved: list[Any]) -> list[tuple[int, Any]]:
    """The entries with their positions, without those that frontends before 1.16 wrote for forceInput inputs.

    They are told by the length of the list: it counts every widget, those inputs, and one more for each control slot.
    """
    entries = list(enumerate(saved))
    counted: list[InputSpec] = []
    for spec in definition.by_name.values():
        if spec.socket.is_widget or spec.socket.options.get("forceInput"):
            controlled = spec.name in SEED_NAMES or spec.socket.options.get("control_after_generate")
            counted += [spec, spec] if controlled else [spec]
    if len(counted) != len(saved):
        return entries
    return [entry for entry, spec in zip(entries, counted, strict=True) if not spec.socket.options.get("forceInput")]


def plain(value: Any) -> Any:
    """A value as JavaScript writes it: a float without a fraction is a whole number, NaN and infinities are null.

    Whole numbers keep every digit, where JavaScript rounds beyond 2**53: no seed changes on its way.
    """
    if type(value) is not float:
        return value
    if not math.isfinite(value):
        return None
    return int(value) if value.is_integer() and abs(value) <= _SAFE_INTEGER else value


def constant(value: Any) -> Any:
    """A value as it is written in a prompt, where a bare list would be a link."""
    return {"__value__": value} if isinstance(value, list) else value


def fed(socket: Socket, value: Any) -> Any:
    """What a widget makes of a value that a PrimitiveNode writes into it: numbers are rounded to the widget's step."""
    number = as_number(value)
    if number is None or not isinstance(socket, Number):
        return plain(value)
    return _fed_int(socket, number) if isinstance(socket, Int) else _fed_float(socket, number)


def _fed_int(socket: Socket, value: int | float) -> int | float:
    step = abs(as_number(socket.options.get("step")) or 1)
    low = as_number(socket.options.get("min")) or 0
    shift = abs(low) % step if low >= 0 else -(abs(low) % step)
    if isinstance(value, int) and isinstance(step, int) and isinstance(shift, int):
        # Whole numbers stay exact; this is rounding half up.
        return (2 * (value - shift) + step) // (2 * step) * step + shift
    return as_number(plain(_round((value - shift) / step) * step + shift)) or 0


def _fed_float(socket: Socket, value: int | float) -> int | float:
    options = socket.options
    result = float(value)
    if options.get("round") is not False:
        unit = as_number(options.get("round"))
        result = _round(result / unit) * unit if unit else result
        digits = max(0, -math.floor(math.log10(abs(as_number(options.get("step")) or _FLOAT_STEP))))
        result = _to_fixed(result, digits)
    low, high = as_number(options.get("min")), as_number(options.get("max"))
    result = result if low is None else max(result, float(low))
    result = result if high is None else min(result, float(high))
    return as_number(plain(result)) or 0


def _round(value: float) -> float:
    """JavaScript's Math.round: half up."""
    return float(math.floor(value + 0.5)) if abs(value) < _SAFE_INTEGER else value


def _to_fixed(value: float, digits: int) -> float:
    """JavaScript's Number(value.toFixed(digits)): the exact value of the float, half away from zero."""
    if digits > 15 or abs(value) >= 1e21:
        return value
    return float(Decimal(value).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP, _EXACT))


def as_number(value: Any) -> int | float | None:
    """The number that a value is to JavaScript, or None; whole numbers keep every digit."""
    if isinstance(value, str) and "_" not in value:
        try:
            value = int(value) if value.strip().lstrip("+-").isdecimal() else float(value)
        except ValueError:
            return None
    if not isinstance(value, int | float) or abs(value) > sys.float_info.max or value != value:
        return None
    return int(value) if isinstance(value, bool) else plain(value)
