"""Values that are typed once and go to several inputs, one of two values, and values shown."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Annotated, Any

from weft.engine.schema.authoring import UI, Lazy, Output, node
from weft.engine.schema.sockets import MATCH_TYPE, Boolean, Float, Int, MatchType, Socket, String
from weft.engine.settings import Settings
from weft.engine.trajectory import ForetoldInputs, its_values
from weft.nodes.core.types import NEWER, Anything

LIBRARIES: tuple[str, ...] = ()

PRIMITIVE = "utils/primitive"
PRIMITIVE_MODULE = "comfy_extras.nodes_primitive"
LIMIT = 2**63 - 1


@node(display_name="Int", category=PRIMITIVE, python_module=PRIMITIVE_MODULE, foretells=its_values)
def PrimitiveInt(
    *, value: Annotated[int, Int(min=-LIMIT, max=LIMIT, control_after_generate=True)]
) -> Annotated[int, Int()]:
    """A whole number for any number of inputs, such as the step at which one sampler ends and the next begins.

    Args:
        value: The number.
    """
    return value


@node(display_name="Float", category=PRIMITIVE, python_module=PRIMITIVE_MODULE, foretells=its_values)
def PrimitiveFloat(*, value: Annotated[float, Float(min=-LIMIT, max=LIMIT)]) -> Annotated[float, Float()]:
    """A number for any number of inputs.

    Args:
        value: The number.
    """
    return value


@node(display_name="String", category=PRIMITIVE, python_module=PRIMITIVE_MODULE, foretells=its_values)
def PrimitiveString(*, value: Annotated[str, String(multiline=False)]) -> Annotated[str, String()]:
    """A line of text for any number of inputs.

    Args:
        value: The text.
    """
    return value


@node(display_name="String (Multiline)", category=PRIMITIVE, python_module=PRIMITIVE_MODULE, foretells=its_values)
def PrimitiveStringMultiline(*, value: Annotated[str, String(multiline=True)]) -> Annotated[str, String()]:
    """A text of several lines for any number of inputs, such as a prompt that two encoders read.

    Args:
        value: The text.
    """
    return value


@node(display_name="Boolean", category=PRIMITIVE, python_module=PRIMITIVE_MODULE, foretells=its_values)
def PrimitiveBoolean(*, value: Annotated[bool, Boolean()]) -> Annotated[bool, Boolean()]:
    """True or false, for any number of inputs.

    Args:
        value: Which of them.
    """
    return value


@node(display_name="Seed", category=PRIMITIVE, python_module=NEWER, foretells=its_values)
def SeedNode(
    *, seed: Annotated[int, Int(default=0, min=0, max=LIMIT, control_after_generate="fixed")]
) -> Annotated[int, Int(), Output("seed")]:
    """A seed for any number of samplers.

    Args:
        seed: The seed.
    """
    return seed


RANDOM, INCREMENT, DECREMENT = -1, -2, -3
"""Seeds of rgthree's node that stand for others: one drawn anew, the one after the last, the one before it."""
_LARGEST = 2**50


def _resolved(constants: Mapping[str, Any], last: Mapping[str, Any], random: Callable[[], float]) -> dict[str, int]:
    """The seed of a run, where the workflow holds one that stands for others; `last` is empty in the first run."""
    special = (RANDOM, INCREMENT, DECREMENT)
    seed = constants.get("seed")
    if seed not in special:
        return {}
    if seed != RANDOM and "seed" in last:
        found = last["seed"] + (1 if seed == INCREMENT else -1)
        if abs(found) <= _LARGEST and found not in special:
            return {"seed": found}
    return {"seed": int(random() * _LARGEST)}


@node(
    class_type="Seed (rgthree)",
    display_name="Seed (rgthree)",
    category="rgthree",
    python_module="weft",
    queued=_resolved,
)
def SeedRgthree(
    *, seed: Annotated[int, Int(default=0, min=-_LARGEST, max=_LARGEST, control_after_generate=False)]
) -> Annotated[int, Int(), Output("SEED")]:
    """A seed for any number of samplers; -1, -2 and -3 stand for another one in each run.

    Args:
        seed: -1 draws a seed for each run, -2 takes the last one and 1 more, -3 the last one and 1 less.
    """
    return seed


@node(display_name="Preview Any", category="utils", output_node=True, python_module="comfy_extras.nodes_preview_any")
def PreviewAny(*, source: Anything) -> tuple[Annotated[str, String(), Output("STRING", repeats="text")]]:
    """Show any value as text, and give the text.

    Args:
        source: The value.
    """
    text = _as_text(source)
    return UI(text=[text]).beside(text)


SWITCHED = {"template_id": "switch", "allowed_types": "*"}
Branch = Annotated[Any, MatchType(MATCH_TYPE, template=SWITCHED), Lazy()]


def _chosen(inputs: Mapping[str, Any]) -> list[str]:
    name = "on_true" if inputs["switch"] else "on_false"
    return [name] if name in inputs else []


def _foretold(given: ForetoldInputs, settings: Settings) -> list[Any]:
    """What the chosen value is, where it is known and is a number or a text."""
    found = given.get("on_true" if given.get("switch") else "on_false")
    return [found if type(given.get("switch")) is bool and type(found) is not bytes else None]


@node(display_name="Switch", category="logic", python_module=NEWER, lazy=_chosen, foretells=_foretold)
def ComfySwitchNode(
    *, switch: Annotated[bool, Boolean(default=False)], on_false: Branch = None, on_true: Branch = None
) -> Annotated[Any, Socket(MATCH_TYPE), Output("output")]:
    """One of two values; what the other would come from does not run.

    Args:
        switch: Which of them.
        on_false: The value where it is false; no value where nothing is linked.
        on_true: The value where it is true.
    """
    return on_true if switch else on_false


def _as_text(value: Any) -> str:
    if value is None or isinstance(value, str | int | float | bool):
        return str(value)
    try:
        return json.dumps(value)
    except (TypeError, ValueError):
        return str(value)
