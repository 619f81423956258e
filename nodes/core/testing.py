"""Tests as workflows: pictures to test on, and assertions that fail their node. The names and inputs of
ComfyUI-test-framework, whose files therefore run; docs/testing.md says where Weft is stricter."""

from __future__ import annotations

from typing import Annotated

from weft.engine.context import RunContext
from weft.engine.links import Linked
from weft.engine.schema.authoring import UI, WithLink, node
from weft.engine.schema.sockets import Boolean, Combo, Float, Int, Socket, String
from weft.nodes.core.types import Anything, Image

Side = Annotated[int, Int(default=512, min=64, max=4096, step=8)]
Length = Annotated[int, Int(default=-1, min=-1, max=16384)]
Bound = {"min": -1e10, "max": 1e10, "step": 0.01}


@node(category="testing", python_module="weft")
def TestImageGenerator(
    *,
    image_type: Annotated[str, Combo(("black", "white", "noise", "face"))],
    width: Side,
    height: Side,
    seed: Annotated[int, Int(default=0, min=0, max=2**32 - 1)],
) -> Image:
    """Draw a picture to test on.

    Args:
        image_type: noise is uniform and follows the seed; face is a drawing of eyes and a mouth on light grey.
        width: Width in pixels.
        height: Height in pixels.
        seed: The seed of the noise.
    """
    from weft.nodes.diffusion.testing.assertions import draw

    return draw(image_type, width, height, seed)


@node(category="testing", python_module="weft", volatile="it looks at what this run called")
def AssertExecuted(*, input: Annotated[Linked, Socket("*"), WithLink()], context: RunContext) -> Anything:
    """Pass a value on, and fail where the node that it comes from was not called in this run but served by the cache.

    Args:
        input: What the node gives that must have been called.
    """
    from weft.nodes.diffusion.testing.assertions import AssertionFailed

    if not isinstance(input, Linked):
        raise AssertionFailed(f"expected a link to the node that must be called, got {input!r:.100}")
    if input.link.node_id in context.served:
        raise AssertionFailed(f"expected node {input.link.node_id} to be called, got its outputs from the cache")
    return input.value


@node(category="testing", python_module="weft", output_node=True)
def TestDefinition(
    *,
    name: Annotated[str, String(default="", socketless=True)],
    description: Annotated[str, String(default="", multiline=True, socketless=True)],
    requiresGPU: Annotated[bool, Boolean(default=False, socketless=True)],
    extraTime: Annotated[int, Int(default=0, min=0, max=3600, socketless=True)],
) -> UI:
    """Say what this workflow tests, for weft test.

    Args:
        name: What reports call it.
        description: What it tests.
        requiresGPU: Skip it where there is no GPU.
        extraTime: Seconds that it may take beyond the usual 120.
    """
    return UI(text=[f"test {name or 'without a name'}"])


@node(category="testing", python_module="weft", output_node=True)
def AssertEqual(*, input1: Anything, input2: Anything) -> UI:
    """Fail where two values differ: by type, keys, length or shape, tensors by more than rounding (1e-5 of the value).

    Args:
        input1: The one value.
        input2: The other value.
    """
    from weft.nodes.diffusion.testing.assertions import AssertionFailed, difference

    found = difference(input1, input2)
    if found:
        raise AssertionFailed(f"expected equal values, got other ones: {found}")
    return UI(text=["equal"])


@node(category="testing", python_module="weft", output_node=True)
def AssertNotEqual(*, input1: Anything, input2: Anything) -> UI:
    """Fail where two values are equal, tensors to rounding (1e-5 of the value).

    Args:
        input1: The one value.
        input2: The other value.
    """
    from weft.nodes.diffusion.testing.assertions import AssertionFailed, difference

    found = difference(input1, input2)
    if not found:
        raise AssertionFailed("expected different values, got equal ones")
    return UI(text=[f"different: {found}"])


@node(category="testing", python_module="weft", output_node=True)
def AssertImageMatch(
    *,
    image: Image,
    perceptual_hash: Annotated[str, String(default="")],
    delta: Annotated[float, Float(default=0.05, min=0.0, max=1.0, step=0.01)],
    hash_function: Annotated[str, Combo(("dhash",))],
) -> UI:
    """Fail where a picture of the batch looks different from what its perceptual hash remembers.

    Args:
        image: The pictures; each one is looked at.
        perceptual_hash: 64 digits 0 and 1, which all pictures must match; or one such hash a picture, with spaces
            between. Left empty, the node fails and tells the hashes.
        delta: The share of the 64 bits of a picture that may differ.
        hash_function: dhash compares the brightness of neighbours in 9 x 8 pixels.
    """
    from weft.nodes.diffusion.testing.assertions import match_hashes

    return UI(text=[match_hashes(image, perceptual_hash, delta)])


@node(category="testing", python_module="weft", output_node=True)
def AssertContainsColor(
    *,
    image: Image,
    color: Annotated[str, String(default="#FF0000")],
    tolerance: Annotated[int, Int(default=10, min=0, max=255)],
    min_pixels: Annotated[int, Int(default=1, min=1, max=1_000_000)],
) -> UI:
    """Fail where too few pixels of the batch have a colour.

    Args:
        image: The pictures.
        color: `#FF0000`, or `255,0,0`.
        tolerance: How far a pixel may be from the colour, as a distance in red, green and blue from 0 to 255.
        min_pixels: So many pixels must have it, counted over all pictures.
    """
    from weft.nodes.diffusion.testing.assertions import count_color

    return UI(text=[count_color(image, color, tolerance, min_pixels)])


@node(category="testing", python_module="weft", output_node=True)
def AssertTensorShape(*, tensor: Anything, batch: Length, height: Length, width: Length, channels: Length) -> UI:
    """Fail where a tensor with the axes batch, height, width, channels has another shape.

    Args:
        tensor: Pictures, or another tensor with these four axes.
        batch: How many pictures; -1 is any.
        height: Height; -1 is any.
        width: Width; -1 is any.
        channels: How many channels; -1 is any.
    """
    from weft.nodes.diffusion.testing.assertions import check_shape

    return UI(text=[check_shape(tensor, (batch, height, width, channels))])


@node(category="testing", python_module="weft", output_node=True)
def AssertInRange(
    *,
    tensor: Anything,
    min_value: Annotated[float, Float(default=0.0, **Bound)],
    max_value: Annotated[float, Float(default=1.0, **Bound)],
) -> UI:
    """Fail where a tensor or a number has a value outside of a range; NaN is outside of every range.

    Args:
        tensor: The tensor.
        min_value: The smallest value that it may have.
        max_value: The largest value that it may have.
    """
    from weft.nodes.diffusion.testing.assertions import check_range

    return UI(text=[check_range(tensor, min_value, max_value)])
