"""ComfyUI-Easy-Use's literals, displays and switches."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any

from weft.engine.errors import WeftError
from weft.engine.schema.authoring import UI, Lazy, Output, Tooltip
from weft.engine.schema.sockets import Boolean, Combo, Float, Int, Socket, String
from weft.nodes.core.types import Anything
from weft.nodes.thirdparty.arithmetic import done
from weft.nodes.thirdparty.face import marker, passed_on, text_of
from weft.nodes.thirdparty.literals import Line, Lines, Real, Whole

LIBRARIES: tuple[str, ...] = ()

easy = marker("comfyui-easy-use", "EasyUse")


@easy(class_type="easy int", display_name="Int", computes=True)
def EasyInt(*, value: Whole) -> Annotated[int, Int(), Output("int")]:
    """A whole number."""
    return value


@easy(class_type="easy float", display_name="Float", computes=True)
def EasyFloat(*, value: Real) -> Annotated[float, Float(), Output("float")]:
    """A number."""
    return value


@easy(class_type="easy string", display_name="String", computes=True)
def EasyString(*, value: Line) -> Annotated[str, String(), Output("string")]:
    """A text."""
    return value


@easy(class_type="easy boolean", display_name="Boolean", computes=True)
def EasyBoolean(
    *, value: Annotated[bool, Boolean(default=False), Tooltip("Which of them.")]
) -> Annotated[bool, Boolean(), Output("boolean")]:
    """True or false."""
    return value


@easy(class_type="easy positive", display_name="Positive", computes=True)
def EasyPositive(*, positive: Lines) -> Annotated[str, String(), Output("positive")]:
    """A prompt of what should be in the picture.

    Args:
        positive: The prompt.
    """
    return positive


@easy(class_type="easy negative", display_name="Negative", computes=True)
def EasyNegative(*, negative: Lines) -> Annotated[str, String(), Output("negative")]:
    """A prompt of what should not be in the picture.

    Args:
        negative: The prompt.
    """
    return negative


@easy(class_type="easy showAnything", display_name="Show Any", output_node=True, claims=lambda name: name == "text")
def EasyShowAnything(
    *, anything: Anything | None = None, **rest: Any
) -> tuple[Annotated[Any, Socket("*"), Output("output")]]:
    """Show a value as text, and pass it on.

    Args:
        anything: The value.
    """
    return passed_on(UI(text=[text_of(anything)]), anything)


@easy(class_type="easy cleanGpuUsed", display_name="Clean VRAM Used", output_node=True)
def EasyCleanGpuUsed(*, anything: Anything) -> Annotated[Any, Socket("*"), Output("output")]:
    """Pass a value on. Memory of the device is freed here whenever it is needed, not by a node.

    Args:
        anything: The value.
    """
    return anything


@easy(class_type="easy clearCacheAll", display_name="Clear Cache All", output_node=True)
def EasyClearCacheAll(*, anything: Anything) -> Annotated[Any, Socket("*"), Output("output")]:
    """Pass a value on. The cache is the engine's here: `weft cache clear` empties it.

    Args:
        anything: The value.
    """
    return anything


_WHOLE: Mapping[str, Callable[[int, int], int | float]] = {
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
    "divide": operator.truediv,
    "modulo": operator.mod,
    "power": operator.pow,
}


@easy(class_type="easy mathInt", display_name="Math Int", computes=True)
def EasyMathInt(
    *, a: Whole, b: Whole, operation: Annotated[str, Combo(tuple(_WHOLE))]
) -> Annotated[int, Int(), Output("int")]:
    """Compute with two whole numbers; a fraction of the result is cut.

    Args:
        a: The first.
        b: The second.
        operation: What is done to them.
    """
    return int(done(operation, _WHOLE[operation], a, b))


Indexed = Annotated[Any, Socket("*"), Lazy(), Tooltip("What is given on, if it is chosen; nothing else is computed.")]


def _indexed(inputs: Mapping[str, Any]) -> Iterator[str]:
    name = f"value{inputs.get('index', 0)}"
    if name in inputs:
        yield name


@easy(class_type="easy anythingIndexSwitch", display_name="Any Index Switch", lazy=_indexed)
def EasyAnythingIndexSwitch(
    *,
    index: Annotated[int, Int(default=0, min=0, max=9, step=1)],
    value0: Indexed | None = None,
    value1: Indexed | None = None,
    value2: Indexed | None = None,
    value3: Indexed | None = None,
    value4: Indexed | None = None,
    value5: Indexed | None = None,
    value6: Indexed | None = None,
    value7: Indexed | None = None,
    value8: Indexed | None = None,
    value9: Indexed | None = None,
) -> Annotated[Any, Socket("*"), Output("value")]:
    """One of several values, by its number.

    Args:
        index: Which one, counted from 0.
    """
    value = (value0, value1, value2, value3, value4, value5, value6, value7, value8, value9)[index]
    if value is None:
        raise WeftError(f"index is {index}, and nothing comes in by value{index}")
    return value
