"""Link types and widgets, and when two types fit.

A socket is what ComfyUI's `INPUT_TYPES` calls `(type, options)`. The options are kept as ComfyUI writes them, so that
a schema goes to `object_info` and back unchanged; each class reads the ones that mean something to the engine.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from weft.engine.folders import Folders

IoType = str | tuple[Any, ...]
"""A type name (`MODEL`, `INT`, `*`, `IMAGE,MASK`) or, for a list of choices, the choices."""

SHOWN_CHOICES = 20
"""The longest list that a message spells out, as in ComfyUI."""

MOST_GROWN = 100
"""The most inputs that ComfyUI lets one grow to."""

MATCH_TYPE = "COMFY_MATCHTYPE_V3"
"""The type of inputs and outputs that take whatever their template is linked to."""

Problem = tuple[str, str, str]
"""ComfyUI's error type, its message, and details."""


class Socket:
    """A link type: its value comes from another node. Also the base of every widget.

    Equal to another socket of the same class, type and options; tooltips do not count.
    """

    __slots__ = ("io_type", "options")
    is_widget: ClassVar[bool] = False

    def __init__(self, io_type: IoType, /, **options: Any) -> None:
        self.io_type = io_type
        self.options: Mapping[str, Any] = options

    def _identity(self) -> tuple[Any, ...]:
        options = {name: value for name, value in self.options.items() if name != "tooltip"}
        return type(self), self.io_type, options

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Socket) and self._identity() == other._identity()

    def __hash__(self) -> int:
        name = str(self.io_type) if isinstance(self.io_type, str) else ""
        default = self.options.get("default")
        count = len(self.options) - ("tooltip" in self.options)
        return hash((type(self), name, count, default if isinstance(default, int | float | str) else None))

    def __repr__(self) -> str:
        options = "".join(f", {name}={value!r}" for name, value in self.options.items())
        return f"{type(self).__name__}({self.io_type!r}{options})"

    def coerce(self, value: Any) -> Any:
        """The value as the node will get it. Raises ValueError, TypeError or OverflowError where it cannot be made."""
        return value

    @property
    def accepts(self) -> IoType:
        """The type that a link into it must have."""
        return self.io_type

    @property
    def takes_values(self) -> bool:
        """Whether a value written in the workflow will do: with a widget, or where the type may be that of one."""
        accepts = self.accepts
        return self.is_widget or accepts == "*" or (isinstance(accepts, str) and not _PLAIN.isdisjoint(_parts(accepts)))

    @property
    def is_unknown(self) -> bool:
        """Whether its type is a pack's own: what values it has, and whether it has a widget, the pack alone knows."""
        return isinstance(self.accepts, str) and LINKED_TYPES.isdisjoint(_parts(self.accepts))

    def problems(self, name: str, value: Any) -> Iterator[Problem]:
        """What is wrong with a coerced value."""
        return iter(())

    def to_object_info(self) -> list[Any]:
        """`[type, options]`; the options are left out where there are none."""
        spelled = list(self.io_type) if isinstance(self.io_type, tuple) else self.io_type
        return [spelled, dict(self.options)] if self.options else [spelled]


class Widget(Socket):
    """A socket that also takes a value written in the workflow."""

    __slots__ = ()
    is_widget = True
    name: ClassVar[str] = ""

    def __init__(self, /, **options: Any) -> None:
        super().__init__(self.name, **options)


class Number(Widget):
    """A number with an optional range, both ends allowed."""

    __slots__ = ()

    def problems(self, name: str, value: Any) -> Iterator[Problem]:
        low, high = self.options.get("min"), self.options.get("max")
        if isinstance(low, int | float) and value < low:
            yield "value_smaller_than_min", f"Value {value} smaller than min of {low}", name
        if isinstance(high, int | float) and value > high:
            yield "value_bigger_than_max", f"Value {value} bigger than max of {high}", name


class Int(Number):
    """A whole number. As in ComfyUI, what Python's int() takes is taken."""

    __slots__ = ()
    name = "INT"

    def coerce(self, value: Any) -> int:
        return value if type(value) is int else int(value)


class Float(Number):
    """A real number. As in ComfyUI, what Python's float() takes is taken, but for NaN and infinity."""

    __slots__ = ()
    name = "FLOAT"

    def coerce(self, value: Any) -> float:
        number = float(value)
        if not math.isfinite(number):
            raise ValueError(f"{number} is no number to compute with")
        return number


class String(Widget):
    """Text."""

    __slots__ = ()
    name = "STRING"

    def coerce(self, value: Any) -> str:
        return str(value)


class Boolean(Widget):
    """True or false, by Python's truth, as in ComfyUI."""

    __slots__ = ()
    name = "BOOLEAN"

    def coerce(self, value: Any) -> bool:
        return bool(value)


class Combo(Socket):
    """One of a list of choices, or some of them where the option `multiselect` says so; `choices` None means that they
    are not known here, and anything goes.

    `meant(text)` says in words which choice a text was probably meant to be that is none; empty where it cannot say.
    `unsupported` are choices of ComfyUI's, of `choices` or newer than these, that cannot be run here, and why.
    """

    __slots__ = ("choices", "meant", "unsupported")
    is_widget = True

    def __init__(
        self,
        choices: Sequence[Any] | None,
        /,
        *,
        meant: Callable[[str], str] | None = None,
        unsupported: Mapping[Any, str] | None = None,
        **options: Any,
    ) -> None:
        self.choices = None if choices is None else tuple(choices)
        self.meant = meant
        self.unsupported = unsupported or {}
        super().__init__("COMBO" if self.choices is None else self.choices, **options)

    def problems(self, name: str, value: Any) -> Iterator[Problem]:
        if isinstance(value, str) and value in self.unsupported:
            yield "custom_validation_failed", f"{value!r} is not supported", self.unsupported[value]
            return
        several = self.options.get("multiselect") is True and isinstance(value, list)
        if self.choices is None or all(each in self.choices for each in (value if several else [value])):
            return
        shown = (
            str(list(self.choices)) if len(self.choices) <= SHOWN_CHOICES else f"(list of length {len(self.choices)})"
        )
        yield "value_not_in_list", "Value not in list", f"{name}: '{value}' not in {shown}"


class Listed(Combo):
    """A choice among what is in a folder of the run: `checkpoints`, `loras`, ... of the model folders, or `input`.

    What there is is known only to the run's folders; so `choices` is None, and validation asks them.
    """

    __slots__ = ("folder",)
    noun = ""

    def __init__(self, folder: str, **options: Any) -> None:
        super().__init__(None, **options)
        self.folder = folder

    def names(self, folders: Folders) -> list[str]:
        """What may be chosen, as a workflow names it."""
        raise NotImplementedError

    def find(self, folders: Folders, name: str) -> Path:
        """What the name stands for. Raises MissingFile, OutsideFolder."""
        raise NotImplementedError

    def to_object_info(self) -> list[Any]:
        return [[], dict(self.options)] if self.options else [[]]


class Subfolders(Listed):
    """The name of a folder inside of a folder, at any depth; with `holding`, one that has a file of this name in it.

    A node with one says in its `fingerprint` which files in it decide what it gives.
    """

    __slots__ = ("holding",)
    noun = "folder"

    def __init__(self, folder: str, *, holding: str = "", **options: Any) -> None:
        super().__init__(folder, **options)
        self.holding = holding

    def _identity(self) -> tuple[Any, ...]:
        return *super()._identity(), self.folder, self.holding

    def names(self, folders: Folders) -> list[str]:
        return list(folders.subfolders(self.folder, self.holding))

    def find(self, folders: Folders, name: str) -> Path:
        return folders.find_subfolder(self.folder, name, self.holding)


class Files(Listed):
    """The name of a file in a folder.

    `suffixes` narrows the list. `extra_choices` are names that stand for no file. `refuses(path)` says why a file that
    is there cannot be used, as far as a glance tells; the empty text where nothing is against it.
    """

    __slots__ = ("extra_choices", "refuses", "suffixes")
    noun = "file"

    def __init__(
        self,
        folder: str,
        *,
        suffixes: Sequence[str] = (),
        extra_choices: Sequence[str] = (),
        refuses: Callable[[Path], str] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(folder, **options)
        self.suffixes = tuple(suffixes)
        self.extra_choices = tuple(extra_choices)
        self.refuses = refuses

    def _identity(self) -> tuple[Any, ...]:
        return *super()._identity(), self.folder, self.suffixes, self.extra_choices

    def names(self, folders: Folders) -> list[str]:
        return [*self.extra_choices, *folders.files(self.folder, self.suffixes)]

    def find(self, folders: Folders, name: str) -> Path:
        return folders.find(self.folder, name, self.suffixes)

    def to_object_info(self) -> list[Any]:
        spelled: list[Any] = [list(self.extra_choices)]
        return [*spelled, dict(self.options)] if self.options else spelled


class Opaque(Widget):
    """A widget of the editor's whose values are its own business: a colour, a curve, a recording; with `default`."""

    __slots__ = ()

    def __init__(self, io_type: str, /, **options: Any) -> None:
        super().__init__(**options)
        self.io_type = io_type


class DynamicCombo(Combo):
    """One of a list of choices, each of which brings inputs of its own: `branches`, as (section, name, socket)."""

    __slots__ = ("branches",)
    name = "COMFY_DYNAMICCOMBO_V3"

    def __init__(self, **options: Any) -> None:
        # The editor reads the inputs of every choice, also of one that has none.
        whole = [
            {**option, "inputs": {"required": {}, **(option.get("inputs") or {})}} for option in options["options"]
        ]
        options["options"] = whole
        branches = {option["key"]: tuple(_declared(option["inputs"])) for option in whole}
        super().__init__(tuple(branches), **options)
        self.io_type = self.name
        self.branches = branches

    def to_object_info(self) -> list[Any]:
        return [self.name, dict(self.options)]


class Autogrow(Socket):
    """A row of inputs of one type that grows as they are linked: `names`, of which the first `least` are required.

    `item` is what each is. It is a socket, also where its type has a widget.
    """

    __slots__ = ("item", "least", "names")
    name = "COMFY_AUTOGROW_V3"

    def __init__(self, **options: Any) -> None:
        super().__init__(self.name, **options)
        template = options["template"]
        ((section, _, item),) = _declared(template["input"])
        if item.is_widget and not isinstance(item, DynamicCombo):
            item.options = {**item.options, "forceInput": True}
        self.item = item
        names = template.get("names")
        if names is None:
            names = (f"{template['prefix']}{index}" for index in range(min(template["max"], MOST_GROWN)))
        self.names = tuple(map(str, islice(names, MOST_GROWN)))
        self.least = template.get("min", 0) if section == "required" else 0


class DynamicSlot(Socket):
    """An optional link of one type that brings inputs once it is there: `brought`, as (section, name, socket)."""

    __slots__ = ("brought",)
    name = "COMFY_DYNAMICSLOT_V3"

    def __init__(self, **options: Any) -> None:
        super().__init__(self.name, **options)
        if not isinstance(options["slotType"], str):
            raise TypeError(f"slotType: expected the name of a type, got {options['slotType']!r}")
        self.brought = tuple(_declared(options.get("inputs") or {}))

    @property
    def accepts(self) -> IoType:
        accepts: str = self.options["slotType"]
        return accepts


class MatchType(Socket):
    """Any type that its template allows, the same for every input and output of the template."""

    __slots__ = ()

    @property
    def accepts(self) -> IoType:
        template = self.options.get("template")
        allowed = template.get("allowed_types") if isinstance(template, Mapping) else None
        return allowed if isinstance(allowed, str) and allowed else "*"


class Unread(Socket):
    """A type that decides which inputs or widgets a node has, of a kind that is not known here.

    What a save of such a node means, or what the node needs, cannot be told.
    """

    __slots__ = ()


_UNFOLDING: Mapping[str, Callable[..., Socket]] = {each.name: each for each in (DynamicCombo, Autogrow, DynamicSlot)}
_WIDGETS: dict[str, type[Widget]] = {cls.name: cls for cls in (Int, Float, String, Boolean)}
_PLAIN = frozenset(_WIDGETS)

LINKED_TYPES = frozenset(
    {
        *("AUDIO", "CLIP", "CLIP_VISION", "CLIP_VISION_OUTPUT", "CONDITIONING", "CONTROL_NET", "GLIGEN", "GUIDER"),
        *("IMAGE", "LATENT", "MASK", "MODEL", "NOISE", "SAMPLER", "SIGMAS", "STYLE_MODEL", "UPSCALE_MODEL", "VAE"),
        *("MODEL_PATCH", "VIDEO", "WEBCAM"),
    }
)
"""ComfyUI's types of which no value can be written in a workflow."""


def _parts(io_type: str) -> list[str]:
    return [part.strip() for part in io_type.split(",")]


_OPAQUE = frozenset({"AUDIO_RECORD", "BOUNDING_BOX", "COLOR", "CURVE", "MARKDOWN", "RANGE"})
"""Types for which the editor has a widget that holds one value."""

_UNFOLDS = re.compile(r"COMFY_\w+_V[0-9]+")
"""How ComfyUI spells the types that stand for more than one plain input."""


def socket_from(io_type: Any, options: Mapping[str, Any]) -> Socket:
    """The socket that `(io_type, options)` of an INPUT_TYPES or an object_info entry describes.

    Both spellings of a list of choices are read: `[choices, options]` and `["COMBO", {"options": choices}]`. A type
    that is more than a text stays what it is, since it may say itself what it is equal to.
    """
    if isinstance(io_type, str) and type(io_type) is not str:
        socket = socket_from(type_name(io_type), options)
        socket.io_type = io_type
        return socket
    if isinstance(io_type, list | tuple):
        return _choices(io_type, options)
    if io_type == "COMBO":
        return _choices(options.get("options"), {name: value for name, value in options.items() if name != "options"})
    unfolding = _UNFOLDING.get(io_type)
    if unfolding is not None:
        try:
            return unfolding(**options)
        except (LookupError, TypeError, ValueError, AttributeError):
            return Unread(io_type, **options)
    if io_type == MATCH_TYPE:
        return MatchType(io_type, **options)
    if "widgetType" in options:
        return _widget_of_its_own(io_type, options)
    if io_type in _OPAQUE:
        return Opaque(io_type, **options)
    widget = _WIDGETS.get(io_type)
    if widget is not None:
        return widget(**options)
    unfolds = isinstance(io_type, str) and _UNFOLDS.fullmatch(io_type)
    return Unread(io_type, **options) if unfolds else Socket(io_type, **options)


def _choices(choices: Sequence[Any] | None, options: Mapping[str, Any]) -> Socket:
    # A list of choices that says so is one of files: those that are there when it is asked.
    files = getattr(choices, "files", None)
    return Combo(choices, **options) if files is None else Files(**files, **options)


def _declared(sections: Mapping[str, Any]) -> Iterator[tuple[str, str, Socket]]:
    """The inputs that a branch or a template declares: section, name, socket."""
    for section in ("required", "optional"):
        for name, (io_type, *options) in (sections.get(section) or {}).items():
            yield section, name, socket_from(io_type, options[0] if options else {})


def _widget_of_its_own(io_type: Any, options: Mapping[str, Any]) -> Socket:
    """An input that takes several types, `FLOAT,INT`, with the widget of one of them."""
    shown = socket_from(options["widgetType"], {name: value for name, value in options.items() if name != "widgetType"})
    if not shown.is_widget or isinstance(shown, DynamicCombo):
        return Unread(io_type, **options)
    shown.io_type, shown.options = io_type, options
    return shown


def fits(received: IoType, wanted: IoType) -> bool:
    """Whether an output of type `received` may be linked to an input of type `wanted`.

    `*` fits everything, and so does what has the type of its template; `A,B` fits what shares a part with it; `COMBO`
    and a list of choices fit each other. The first test is `not a != b` because packs declare their any-type as a str
    whose `__ne__` says False.
    """
    if not received != wanted or received in ("*", MATCH_TYPE) or wanted in ("*", MATCH_TYPE):  # noqa: SIM202
        return True
    if isinstance(received, tuple) or isinstance(wanted, tuple):
        return "COMBO" in (received, wanted)
    parts = {part.strip() for part in wanted.split(",")}
    return any(part.strip() in parts for part in received.split(","))


def type_name(io_type: IoType) -> str:
    """The type in a message: its name, or COMBO for a list of choices."""
    if isinstance(io_type, tuple):
        return "COMBO"
    # Not str(): a member of an enum says its own name there.
    return str.__str__(io_type) if isinstance(io_type, str) else str(io_type)
