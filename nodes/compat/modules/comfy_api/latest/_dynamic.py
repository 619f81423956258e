"""Types that stand for several: inputs of more than one type, and inputs that bring others.

What unfolds has names with dots in a workflow (`images.image0`, `mode.width`); `nested` makes of their values what
`execute` receives: a dict for each input that unfolds, in which a choice stands under the input's own name.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from weft.nodes.compat.modules.comfy_api.latest import _declared
from weft.nodes.compat.modules.comfy_api.latest._declared import (
    ComfyTypeI,
    ComfyTypeIO,
    DynamicInput,
    DynamicOutput,
    Input,
    WidgetInput,
    comfytype,
    declared_types,
    said,
)
from weft.nodes.compat.modules.comfy_api.latest._types import AnyType

MOST_GROWN = 100
"""The most inputs that one row grows to."""


def _type_names(types: Any) -> str:
    """The types of a list, or one, as a link type has them: `IMAGE,MASK`; each once, in the order given."""
    given = types if isinstance(types, Sequence) and not isinstance(types, str) else [types]
    names = [each if isinstance(each, str) else each.io_type for each in given]
    return ",".join(dict.fromkeys(part.strip() for name in names for part in name.split(",")))


@comfytype("COMFY_MULTITYPED_V3")
class MultiType:
    """An input that takes several types. Given an Input in place of its id, it has that one's widget."""

    Type: Any = Any

    class Input(_declared.Input):
        """`types` are classes such as io.Image."""

        def __init__(self, id: str | Input, types: Sequence[Any], display_name: str | None = None, **more: Any) -> None:
            self.widget = copy.copy(id) if isinstance(id, Input) else None
            if self.widget is not None:
                for name, value in more.items():
                    if not hasattr(self.widget, name):
                        raise TypeError(f"MultiType.Input({self.widget.id!r}) has no argument {name!r}")
                    setattr(self.widget, name, value)
                optional = bool(more.get("optional", self.widget.optional))
                super().__init__(self.widget.id, display_name or self.widget.display_name, optional)
            else:
                super().__init__(str(id), display_name, **more)
            self.types = list(types)

        @property
        def io_types(self) -> list[Any]:
            """The types it takes, that of its widget first."""
            return [*([self.widget] if self.widget is not None else []), *self.types]

        def get_io_type(self) -> str:
            return _type_names(self.io_types)

        def as_dict(self) -> dict[str, Any]:
            if self.widget is None:
                return super().as_dict()
            shown = self.widget.get_widget_type() if isinstance(self.widget, WidgetInput) else self.widget.get_io_type()
            return self.widget.as_dict() | said({"display_name": self.display_name, "widgetType": shown})


@comfytype("COMFY_MATCHTYPE_V3")
class MatchType(ComfyTypeIO):
    """Inputs and outputs that share a template have one type."""

    class Template:
        """What they share: a name, and the types that are allowed (default: all)."""

        def __init__(self, template_id: str, allowed_types: Any = AnyType) -> None:
            self.template_id = template_id
            self.allowed_types = allowed_types if isinstance(allowed_types, Iterable) else [allowed_types]

        def as_dict(self) -> dict[str, Any]:
            """The form of object_info."""
            return {"template_id": self.template_id, "allowed_types": _type_names(list(self.allowed_types))}

    class Input(_declared.Input):
        """An input of the template's type."""

        def __init__(self, id: str, template: MatchType.Template, display_name: str | None = None, **more: Any) -> None:
            super().__init__(id, display_name, **more)
            self.template = template

        def as_dict(self) -> dict[str, Any]:
            return super().as_dict() | {"template": self.template.as_dict()}

    class Output(DynamicOutput):
        """An output of the template's type."""

        def __init__(
            self,
            template: MatchType.Template,
            id: str | None = None,
            display_name: str | None = None,
            tooltip: str | None = None,
            is_output_list: bool = False,
        ) -> None:
            super().__init__(id, display_name, tooltip, is_output_list)
            self.template = template


@comfytype("COMFY_AUTOGROW_V3")
class Autogrow(ComfyTypeI):
    """A row of inputs that grows as they are linked; `execute` receives a dict by their names."""

    Type = dict[str, Any]
    _MaxNames: ClassVar[int] = MOST_GROWN

    class _Template:
        def __init__(self, input: Input) -> None:
            if isinstance(input, DynamicInput):
                raise ValueError(f"a row cannot be of inputs that unfold: {input.id!r}")
            self.input = copy.copy(input)
            if isinstance(self.input, WidgetInput):
                self.input.force_input = True

        def names_in_full(self) -> list[str]:
            """The names that the inputs may have, in order."""
            raise NotImplementedError

        def as_dict(self) -> dict[str, Any]:
            """The form of object_info."""
            return {"input": declared_types([self.input])}

    class TemplatePrefix(_Template):
        """Names with numbers: `image0`, `image1`, ..."""

        def __init__(self, input: Input, prefix: str, min: int = 1, max: int = 10) -> None:
            super().__init__(input)
            if not 0 <= min <= max or not 1 <= max <= MOST_GROWN:
                raise ValueError(f"a row has {min} to {max} inputs, expected at most {MOST_GROWN}")
            self.prefix = prefix
            self.min = min
            self.max = max

        def names_in_full(self) -> list[str]:
            return [f"{self.prefix}{index}" for index in range(self.max)]

        def as_dict(self) -> dict[str, Any]:
            return super().as_dict() | {"prefix": self.prefix, "min": self.min, "max": self.max}

    class TemplateNames(_Template):
        """Names that are given."""

        def __init__(self, input: Input, names: Sequence[str], min: int = 1) -> None:
            super().__init__(input)
            self.names = list(names)[:MOST_GROWN]
            self.min = min

        def names_in_full(self) -> list[str]:
            return self.names

        def as_dict(self) -> dict[str, Any]:
            return super().as_dict() | {"names": self.names, "min": self.min}

    class Input(DynamicInput):
        """A row of inputs."""

        def __init__(self, id: str, template: Autogrow._Template, display_name: str | None = None, **more: Any) -> None:
            super().__init__(id, display_name, **more)
            self.template = template

        def get_dynamic(self) -> list[Input]:
            return [renamed(self.template.input, name) for name in self.template.names_in_full()]

        def as_dict(self) -> dict[str, Any]:
            return super().as_dict() | {"template": self.template.as_dict()}


@comfytype("COMFY_DYNAMICCOMBO_V3")
class DynamicCombo(ComfyTypeI):
    """One of a list of choices, each of which brings inputs of its own; `execute` receives them as a dict."""

    Type = dict[str, Any]

    class Option:
        """A choice and its inputs."""

        def __init__(self, key: str, inputs: Sequence[Input]) -> None:
            self.key = key
            self.inputs = list(inputs)

        def as_dict(self) -> dict[str, Any]:
            """The form of object_info."""
            return {"key": self.key, "inputs": declared_types(self.inputs)}

    class Input(DynamicInput):
        """A choice."""

        def __init__(
            self, id: str, options: Sequence[DynamicCombo.Option], display_name: str | None = None, **more: Any
        ) -> None:
            super().__init__(id, display_name, **more)
            self.options = list(options)

        def get_dynamic(self) -> list[Input]:
            return [each for option in self.options for each in option.inputs]

        def as_dict(self) -> dict[str, Any]:
            return super().as_dict() | {"options": [option.as_dict() for option in self.options]}


@comfytype("COMFY_DYNAMICSLOT_V3")
class DynamicSlot(ComfyTypeI):
    """An optional link that, once there, brings inputs of its own; `execute` receives all as a dict."""

    Type = dict[str, Any]

    class Input(DynamicInput):
        """A slot: `slot` says of what type the link is."""

        def __init__(self, slot: Input, inputs: Sequence[Input], display_name: str | None = None, **more: Any) -> None:
            if isinstance(slot, DynamicInput):
                raise ValueError(f"a slot cannot be of a type that unfolds: {slot.id!r}")
            more.setdefault("tooltip", slot.tooltip)
            more.setdefault("lazy", slot.lazy)
            super().__init__(slot.id, display_name or slot.display_name, **more | {"optional": True})
            self.slot = slot
            self.inputs = list(inputs)
            self.force_input = True if isinstance(slot, WidgetInput) else None

        def get_dynamic(self) -> list[Input]:
            return self.inputs

        def as_dict(self) -> dict[str, Any]:
            told = {"slotType": self.slot.get_io_type(), "forceInput": self.force_input}
            return super().as_dict() | said(told) | {"inputs": declared_types(self.inputs)}


def renamed(input: Input, name: str) -> Input:
    """The same input under another name."""
    copied = copy.copy(input)
    copied.id = name
    return copied


def nested(inputs: Iterable[Input], values: Mapping[str, Any], *, told: bool = False) -> dict[str, Any]:
    """The values as `execute` receives them.

    `values` are those of the inputs by their names in the workflow; what they hold beside is left as it is. With
    `told`, a value in a dict is (value, its name in the workflow), as check_lazy_status gets it.
    """
    rest = dict(values)
    found: dict[str, Any] = {}
    for each in inputs:
        if isinstance(each, DynamicInput):
            found[each.id] = _unfolded(each, each.id, rest, told)
    return rest | found


def _unfolded(input: DynamicInput, name: str, rest: dict[str, Any], told: bool) -> dict[str, Any]:
    """The dict of one input that unfolds; its values are taken out of `rest`.

    Of a row only what is there is in it. What a choice or a link brings is all in it, with None for what is not given.
    """
    found: dict[str, Any] = {}
    brought = input.get_dynamic()
    if isinstance(input, Autogrow.Input):
        brought = [each for each in brought if f"{name}.{each.id}" in rest]
    else:
        brought = _brought(input, rest.get(name))
        found[input.id] = _taken(name, rest, told)
    for each in brought:
        inner = f"{name}.{each.id}"
        if isinstance(each, DynamicInput):
            found[each.id] = _unfolded(each, inner, rest, told)
        else:
            found[each.id] = _taken(inner, rest, told)
    return found


def _brought(input: DynamicInput, value: Any) -> list[Input]:
    """The inputs that come with this value of a choice or a link; where a node takes lists, the first one counts."""
    if isinstance(value, list):
        value = next(iter(value), None)
    if isinstance(input, DynamicCombo.Input):
        return next((option.inputs for option in input.options if option.key == value), [])
    return input.get_dynamic() if value is not None else []


def _taken(name: str, rest: dict[str, Any], told: bool) -> Any:
    value = rest.pop(name, None)
    return (value, name) if told else value
