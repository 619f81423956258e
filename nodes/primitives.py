"""Values that are typed once and go to several inputs."""

from __future__ import annotations

from typing import Annotated

from engine.authoring import node
from engine.sockets import Boolean, Float, Int, String

CATEGORY = "utils/primitive"
MODULE = "comfy_extras.nodes_primitive"
LIMIT = 2**63 - 1


@node(display_name="Int", category=CATEGORY, python_module=MODULE)
def PrimitiveInt(
    *, value: Annotated[int, Int(min=-LIMIT, max=LIMIT, control_after_generate=True)]
) -> Annotated[int, Int()]:
    """A whole number for any number of inputs, such as the step at which one sampler ends and the next begins.

    Args:
        value: The number.
    """
    return value


@node(display_name="Float", category=CATEGORY, python_module=MODULE)
def PrimitiveFloat(*, value: Annotated[float, Float(min=-LIMIT, max=LIMIT)]) -> Annotated[float, Float()]:
    """A number for any number of inputs.

    Args:
        value: The number.
    """
    return value


@node(display_name="String", category=CATEGORY, python_module=MODULE)
def PrimitiveString(*, value: Annotated[str, String(multiline=False)]) -> Annotated[str, String()]:
    """A line of text for any number of inputs.

    Args:
        value: The text.
    """
    return value


@node(display_name="String (Multiline)", category=CATEGORY, python_module=MODULE)
def PrimitiveStringMultiline(*, value: Annotated[str, String(multiline=True)]) -> Annotated[str, String()]:
    """A text of several lines for any number of inputs, such as a prompt that two encoders read.

    Args:
        value: The text.
    """
    return value


@node(display_name="Boolean", category=CATEGORY, python_module=MODULE)
def PrimitiveBoolean(*, value: Annotated[bool, Boolean()]) -> Annotated[bool, Boolean()]:
    """True or false, for any number of inputs.

    Args:
        value: Which of them.
    """
    return value
