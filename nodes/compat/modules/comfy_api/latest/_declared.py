"""What a V3 schema is made of: inputs, outputs, and the types that they are of.

A type is a class with an `io_type`, an `Input` and perhaps an `Output`: `io.Image.Input("image")`. What an input says
of itself ends up in the options of object_info (`as_dict`), under the names that ComfyUI gives them there; what was
not said is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import Enum, StrEnum
from typing import Any, ClassVar


class FolderType(StrEnum):
    """The folders that files for a browser are in."""

    input = "input"
    output = "output"
    temp = "temp"


class UploadType(StrEnum):
    """What a Combo of files offers to upload; each is an option of object_info."""

    image = "image_upload"
    audio = "audio_upload"
    video = "video_upload"
    model = "file_upload"


class NumberDisplay(StrEnum):
    """How the browser shows a number."""

    number = "number"
    slider = "slider"
    color = "color"
    gradient_slider = "gradientslider"


class ControlAfterGenerate(StrEnum):
    """What the browser does to a value after a run."""

    fixed = "fixed"
    increment = "increment"
    decrement = "decrement"
    randomize = "randomize"


class RemoteOptions:
    """Where the browser gets the choices of a Combo from."""

    def __init__(
        self,
        route: str,
        refresh_button: bool,
        control_after_refresh: str = "first",
        timeout: int | None = None,
        max_retries: int | None = None,
        refresh: int | None = None,
    ) -> None:
        self.route = route
        self.refresh_button = refresh_button
        self.control_after_refresh = control_after_refresh
        self.timeout = timeout
        self.max_retries = max_retries
        self.refresh = refresh

    def as_dict(self) -> dict[str, Any]:
        """The form of object_info."""
        return said(vars(self))


def said(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options without those that are None."""
    return {name: value for name, value in options.items() if value is not None}


def plain(value: Any) -> Any:
    """The value of an Enum's member; all else as it is."""
    return value.value if isinstance(value, Enum) else value


class Input:
    """One declared input.

    `extra_dict` is added to the options as it is. `own` are the options of one type, `field: option` with the name that
    object_info has for it; a type adds its own fields as attributes of these names.
    """

    Parent: Any = None
    io_type: str = ""
    own: ClassVar[Mapping[str, str]] = {}

    def __init__(
        self,
        id: str,
        display_name: str | None = None,
        optional: bool = False,
        tooltip: str | None = None,
        lazy: bool | None = None,
        extra_dict: Mapping[str, Any] | None = None,
        raw_link: bool | None = None,
        advanced: bool | None = None,
        **more: Any,
    ) -> None:
        self.id = id
        self.display_name = display_name
        self.optional = optional
        self.tooltip = tooltip
        self.lazy = lazy
        self.extra_dict = dict(extra_dict or {})
        self.rawLink = raw_link
        self.advanced = advanced
        for name in self.own:
            setattr(self, name, more.pop(name, None))
        if more:
            raise TypeError(f"{type(self).__qualname__}({id!r}) has no argument {next(iter(more))!r}")

    def get_io_type(self) -> str:
        """The type's name, as links and object_info have it."""
        return self.io_type

    def get_all(self) -> list[Input]:
        """This input and all that it may bring."""
        return [self]

    def validate(self) -> None:
        """Raise ValueError where it cannot be declared so."""

    def shared(self) -> dict[str, Any]:
        """The options that inputs of all types may have."""
        return {
            "display_name": self.display_name,
            "tooltip": self.tooltip,
            "lazy": self.lazy,
            "rawLink": self.rawLink,
            "advanced": self.advanced,
        }

    def as_dict(self) -> dict[str, Any]:
        """The options in object_info."""
        own = {option: plain(getattr(self, name)) for name, option in self.own.items()}
        return said(self.shared()) | said(own) | self.extra_dict

    def spelled(self) -> tuple[str, dict[str, Any]]:
        """The input as INPUT_TYPES has it."""
        return self.get_io_type(), self.as_dict()


class WidgetInput(Input):
    """An input that the browser has a widget for."""

    def __init__(
        self,
        id: str,
        display_name: str | None = None,
        optional: bool = False,
        tooltip: str | None = None,
        lazy: bool | None = None,
        default: Any = None,
        socketless: bool | None = None,
        widget_type: str | None = None,
        force_input: bool | None = None,
        **more: Any,
    ) -> None:
        super().__init__(id, display_name, optional, tooltip, lazy, **more)
        self.default = default
        self.socketless = socketless
        self.widget_type = widget_type
        self.force_input = force_input

    def shared(self) -> dict[str, Any]:
        return super().shared() | {
            "default": plain(self.default),
            "socketless": self.socketless,
            "widgetType": self.widget_type,
            "forceInput": self.force_input,
        }

    def get_widget_type(self) -> str:
        """The type whose widget it has."""
        return self.widget_type or self.get_io_type()


class DynamicInput(Input):
    """An input that stands for others; `get_dynamic` gives those that it may bring."""

    def get_dynamic(self) -> list[Input]:
        """The inputs that may come with it."""
        return []

    def get_all(self) -> list[Input]:
        return [self, *self.get_dynamic()]


class Output:
    """One output slot."""

    Parent: Any = None
    io_type: str = ""

    def __init__(
        self,
        id: str | None = None,
        display_name: str | None = None,
        tooltip: str | None = None,
        is_output_list: bool = False,
    ) -> None:
        self.id = id
        self.display_name = display_name
        self.tooltip = tooltip
        self.is_output_list = is_output_list

    def get_io_type(self) -> str:
        """The type's name, as links and object_info have it."""
        return self.io_type

    def validate(self) -> None:
        """Raise ValueError where it cannot be declared so."""


class DynamicOutput(Output):
    """An output whose type is found when it is linked."""


class ComfyType:
    """A type of values: what may be declared of it."""

    Type: Any = Any
    io_type: str = ""
    Parent: Any = None


class ComfyTypeI(ComfyType):
    """A type that inputs can be of."""


class ComfyTypeIO(ComfyTypeI):
    """A type that inputs and outputs can be of."""


# A type that says nothing else has the plain ones.
ComfyTypeI.Input = Input  # type: ignore[attr-defined]  # in the class, the names would hide what they are given
ComfyTypeIO.Output = Output  # type: ignore[attr-defined]  # as above


def comfytype(io_type: str, **kwargs: Any) -> Callable[[Any], Any]:
    """Make a class a type of that name: its Input and Output get the name too.

    Each class has classes of its own for both, so that those of two types with one base do not mix.
    """

    def made(cls: Any) -> Any:
        cls.io_type = io_type
        for name in ("Input", "Output"):
            declared: Any = getattr(cls, name, None)
            if declared is None:
                continue
            if name not in vars(cls):
                declared = type(name, (declared,), {"__qualname__": f"{cls.__qualname__}.{name}"})
                setattr(cls, name, declared)
            declared.io_type = io_type
            declared.Parent = cls
        return cls

    return made


def Custom(io_type: str) -> Any:
    """A type of a pack's own: `Custom("CHEESE").Input("cheese")`."""
    return comfytype(io_type)(type("CustomComfyType", (ComfyTypeIO,), {"__doc__": f"Values of type {io_type}."}))


def declared_types(inputs: Iterable[Input]) -> dict[str, dict[str, tuple[str, dict[str, Any]]]]:
    """The inputs by section, as INPUT_TYPES has them: `required` always, `optional` where there are any."""
    sections: dict[str, dict[str, tuple[str, dict[str, Any]]]] = {"required": {}}
    for each in inputs:
        sections.setdefault("optional" if each.optional else "required", {})[each.id] = each.spelled()
    return sections
