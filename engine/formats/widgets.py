"""Widgets: which inputs have one, what stands where in `widgets_values`, and what a value of theirs becomes."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any, Literal, NamedTuple

from weft.engine.schema.node import InputSpec, NodeSchema
from weft.engine.schema.sockets import Boolean, Combo, DynamicCombo, Files, Float, Int, Number, Socket, String

SEED_NAMES = ("seed", "noise_seed")
MISSING: Any = object()
"""No value; None is one, since a save may hold null."""

_UPLOADS = ("image_upload", "video_upload", "animated_image_upload")
_EMPTY: dict[type[Socket], Any] = {Int: 0, Float: 0, String: "", Boolean: False}
_NOTHING = (None, "", "fixed", "increment", "decrement", "randomize")
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


class SavedValue(NamedTuple):
    """One saved value: where in `widgets_values` it stands (a name leads nowhere in a list), and its name or ""."""

    place: int | str
    name: str
    value: Any

    def __str__(self) -> str:
        return f"{self.name}={self.value!r:.40}" if self.name else f"{self.value!r:.40}"

    @property
    def is_control(self) -> bool:
        return self.name.partition("#")[0] == "control_after_generate"

    @property
    def is_editors_own(self) -> bool:
        """Whether its name says that it is never sent: a control word or a button."""
        return self.is_control or self.name == "upload"

    @property
    def is_empty(self) -> bool:
        """Whether nothing is lost with it; an editor may leave a control word behind when a choice changes."""
        return self.is_editors_own or self.value in _NOTHING


@dataclass(frozen=True)
class Held:
    """What the widgets of a node hold, by input name; one without a value is left out.

    `controls` is what stands in the control slots (None for a button, absent where the list ends before);
    `places` is where in `widgets_values` a value stands; `left` are the saved values that no widget takes. `shown` is
    what an instance of a subgraph holds for widgets inside it that no input of its leads to, by node id and name.
    `made` is what widgets hold that the browser made and no class declares.
    """

    values: dict[str, Any] = field(default_factory=dict)
    controls: dict[str, Any] = field(default_factory=dict)
    places: dict[str, int | str] = field(default_factory=dict)
    left: list[SavedValue] = field(default_factory=list)
    shown: dict[tuple[str, str], SavedValue] = field(default_factory=dict)
    made: dict[str, Any] = field(default_factory=dict)


def is_widget(spec: InputSpec) -> bool:
    """Whether the editor shows a widget for the input."""
    return spec.socket.is_widget and not spec.socket.options.get("forceInput")


def may_have_a_widget(spec: InputSpec) -> bool:
    """Whether a save may show a widget for it that is not known here: a type of some extension of the editor."""
    socket = spec.socket
    return type(socket) is Socket and spec.section != "hidden" and "*" not in socket.io_type and not is_widget(spec)


def has_control(spec: InputSpec) -> bool:
    """Whether a control word follows the value."""
    flag = spec.socket.options.get("control_after_generate")
    if isinstance(spec.socket, Int) and flag is None:
        return spec.name in SEED_NAMES
    return bool(flag) and isinstance(spec.socket, Int | Combo)


def slots(specs: Iterable[InputSpec]) -> tuple[WidgetSlot, ...]:
    """What each entry of `widgets_values` of a node with these inputs stands for."""
    found: list[WidgetSlot] = []
    button: WidgetSlot | None = None
    for spec in specs:
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


class Saved:
    """A node's `widgets_values`, a list by position or an object by name, read together with `widgets_values_named`.

    Newer editors save the second beside the first: the same entries with their names. Where both have as many, the
    names are those of the list's entries, and the list's values count, as in the editor. Where they have not, the list
    counts if it fits the class, else the values by name. Names without a list are `unread`, as in the editor.
    """

    def __init__(self, values: Any, named: Any = None) -> None:
        self.values = values if isinstance(values, list) else []
        by_name = values if isinstance(values, Mapping) else named if isinstance(named, Mapping) else {}
        self._named = [SavedValue(name, name, value) for name, value in by_name.items()]
        self.has_names = not self.values
        self.unread: Sequence[SavedValue] = ()
        if not self.values and not isinstance(values, Mapping):
            self.unread, self._named = self._named, []
        elif len(self._named) == len(self.values) and self._in_order():
            places = enumerate(zip(self._named, self.values, strict=True))
            self._named = [SavedValue(place, entry.name, value) for place, (entry, value) in places]
            self.has_names = True

    def _in_order(self) -> bool:
        """Whether the names are in the order of the list: JavaScript moves those that are numbers to the front."""
        return (
            not any(entry.name.isdecimal() for entry in self._named)
            or [entry.value for entry in self._named] == self.values
        )

    @property
    def listed(self) -> Sequence[SavedValue]:
        """Every entry, as far as it has a place."""
        return (
            self._named if self.has_names else [SavedValue(place, "", value) for place, value in enumerate(self.values)]
        )

    def entries(self, schema: NodeSchema, layout: Sequence[WidgetSlot]) -> SavedValues:
        """The entries as a node with this layout takes them."""
        listed = [SavedValue(place, "", value) for place, value in without_forced(schema, self.values)]
        surplus = [entry for entry in listed[len(layout) :] if not entry.is_empty]
        fits = len(listed) >= len(layout) and not surplus
        return SavedValues(self._named if self.has_names or (self._named and not fits) else listed)


class SavedValues:
    """The saved values of one node in their order."""

    def __init__(self, entries: Sequence[SavedValue]) -> None:
        self.all = entries
        self._index = {entry.name: index for index, entry in reversed([*enumerate(entries)]) if entry.name}

    def find(self, index: int, layout: Sequence[WidgetSlot]) -> int | None:
        """Which entry stands for slot `index` of the layout: by name where there are names, else by position.

        In a list, an entry whose name no slot has stands for the slot at its position, if the list fits: the widget
        was renamed.
        """
        slot = layout[index]
        at = index if index < len(self.all) else None
        if self._index:
            at = self._index.get(slot.spec.name)
            if slot.role == "control":
                at = self._control(at)
            elif slot.role != "value":
                at = None
            elif at is None and len(self.all) == len(layout):
                other = self.all[index]
                known = other.is_control or any(each.spec.name == other.name for each in layout)
                at = None if known or isinstance(other.place, str) else index
        return at

    def _control(self, value: int | None) -> int | None:
        """The control word after a value, or the only one that there is."""
        after = None if value is None else value + 1
        if after is not None and after < len(self.all) and self.all[after].is_control:
            return after
        return self._index.get("control_after_generate")


def unfolded(schema: NodeSchema, saved: Saved, sockets: Iterable[str]) -> Mapping[str, InputSpec]:
    """The inputs of a node that was saved so, with those that its choices bring and the rows of its `sockets`."""
    if not schema.unfolds:
        return schema.by_name
    given: dict[str, Any] = dict.fromkeys(sockets)
    chosen: set[str] = set()
    while True:
        specs = schema.given(given)
        layout = slots(specs.values())
        dynamic = (
            index
            for index, slot in enumerate(layout)
            if isinstance(slot.spec.socket, DynamicCombo) and slot.spec.name not in chosen
        )
        index = next(dynamic, None)
        if index is None:
            return specs
        # What a choice brings follows it: its own place is already right.
        spec = layout[index].spec
        entries = saved.entries(schema, layout)
        at = entries.find(index, layout)
        value = None if at is None else entries.all[at].value
        given[spec.name] = default_of(spec.socket) if value is None else value
        chosen.add(spec.name)


def hold(schema: NodeSchema, layout: Sequence[WidgetSlot], saved: Saved) -> Held:
    """What the widgets hold after the editor loaded what was saved.

    Nothing is checked, clamped or rounded. What is missing has its default, and so has a null in a list of choices.
    """
    held = Held()
    entries = saved.entries(schema, layout)
    taken: set[int] = set()
    for index, slot in enumerate(layout):
        name = slot.spec.name
        at = entries.find(index, layout)
        if at is not None:
            taken.add(at)
        value = MISSING if at is None else entries.all[at].value
        if slot.role == "value":
            if at is None or (value is None and isinstance(slot.spec.socket, Combo)):
                value = default_of(slot.spec.socket)
            else:
                held.places[name] = entries.all[at].place
            if value is not MISSING:
                held.values[name] = plain(value)
        elif slot.role == "control" and at is not None:
            held.controls[name] = value
    held.left.extend(entry for at, entry in enumerate(entries.all) if at not in taken and not entry.is_empty)
    held.left.extend(entry for entry in saved.unread if held.values.get(entry.name) != entry.value)
    return held


def without_forced(schema: NodeSchema, saved: list[Any]) -> list[tuple[int, Any]]:
    """The entries with their positions, without those that frontends before 1.16 wrote for forceInput inputs.

    They are told by the length of the list: it counts every widget, those inputs, and one more for each control slot.
    """
    entries = list(enumerate(saved))
    counted: list[InputSpec] = []
    for spec in schema.by_name.values():
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
