"""Latents: batched, turned, cut, calculated with."""

from __future__ import annotations

from typing import Annotated

from weft.engine.schema.authoring import node
from weft.engine.schema.sockets import Combo, Float, Int
from weft.nodes.core.types import Latent

Amount = Annotated[int, Int(default=1, min=1, max=64)]
Pixels = Annotated[int, Int(default=512, min=64, max=16384, step=8)]
Offset = Annotated[int, Int(default=0, min=0, max=16384, step=8)]


@node(category="latent/batch", python_module="comfy_extras.nodes_latent")
def LatentBatch(*, samples1: Latent, samples2: Latent) -> Latent:
    """Put two batches of latents into one; every item keeps its noise.

    Args:
        samples1: The first batch.
        samples2: The batch that follows; resized to the first.
    """
    from weft.nodes.diffusion.values.latents import join

    return join(samples1, samples2)


@node(display_name="Latent From Batch", category="latent/batch")
def LatentFromBatch(
    *, samples: Latent, batch_index: Annotated[int, Int(default=0, min=0, max=63)], length: Amount
) -> Latent:
    """Take some latents out of a batch; they get the same noise as they would within it.

    Args:
        samples: The batch.
        batch_index: The first one taken, counted from 0; the last one if there are not so many.
        length: How many, as far as there are.
    """
    from weft.nodes.diffusion.values.latents import from_batch

    return from_batch(samples, batch_index, length)


@node(display_name="Repeat Latent Batch", category="latent/batch")
def RepeatLatentBatch(*, samples: Latent, amount: Amount) -> Latent:
    """Repeat a batch of latents; every copy gets noise of its own.

    Args:
        samples: The batch.
        amount: How many times it stands in the result.
    """
    from weft.nodes.diffusion.values.latents import repeat

    return repeat(samples, amount)


@node(category="latent/advanced", python_module="comfy_extras.nodes_latent")
def LatentBatchSeedBehavior(
    *, samples: Latent, seed_behavior: Annotated[str, Combo(("random", "fixed"), default="fixed", multiselect=False)]
) -> Latent:
    """Decide whether the latents of a batch get different noise or all the same.

    Args:
        samples: The batch.
        seed_behavior: random for noise of their own, fixed for the noise of the first one.
    """
    from weft.nodes.diffusion.values.latents import seed_behavior as with_seed_behavior

    return with_seed_behavior(samples, seed_behavior)


@node(display_name="Rotate Latent", category="latent/transform")
def LatentRotate(
    *, samples: Latent, rotation: Annotated[str, Combo(("none", "90 degrees", "180 degrees", "270 degrees"))]
) -> Latent:
    """Turn latents clockwise; a noise mask stays as it is.

    Args:
        samples: The latents.
        rotation: By how much.
    """
    from weft.nodes.diffusion.values.latents import rotate, samples_of

    return {**samples, "samples": rotate(samples_of(samples), rotation)}


@node(display_name="Flip Latent", category="latent/transform")
def LatentFlip(
    *, samples: Latent, flip_method: Annotated[str, Combo(("x-axis: vertically", "y-axis: horizontally"))]
) -> Latent:
    """Mirror latents; a noise mask stays as it is.

    Args:
        samples: The latents.
        flip_method: vertically puts the top at the bottom, horizontally the left side at the right.
    """
    from weft.nodes.diffusion.values.latents import flip, samples_of

    return {**samples, "samples": flip(samples_of(samples), flip_method)}


@node(display_name="Crop Latent", category="latent/transform")
def LatentCrop(*, samples: Latent, width: Pixels, height: Pixels, x: Offset, y: Offset) -> Latent:
    """Cut a box out of latents; a noise mask stays as it is.

    Args:
        samples: The latents.
        width: Width of the box in pixels.
        height: Height of the box in pixels.
        x: Pixels from the left to the box; at least 64 pixels remain to its right.
        y: Pixels from the top to the box; at least 64 pixels remain below it.
    """
    from weft.nodes.diffusion.values.latents import crop, samples_of

    return {**samples, "samples": crop(samples_of(samples), width, height, x, y)}


@node(category="latent/advanced", python_module="comfy_extras.nodes_latent")
def LatentAdd(*, samples1: Latent, samples2: Latent) -> Latent:
    """Add latents element by element.

    Args:
        samples1: The latents added to.
        samples2: What is added; resized to the first, and repeated or cut to their number.
    """
    from weft.nodes.diffusion.values.latents import fit, samples_of

    first = samples_of(samples1)
    return {**samples1, "samples": first + fit(samples_of(samples2), first)}


@node(category="latent/advanced", python_module="comfy_extras.nodes_latent")
def LatentSubtract(*, samples1: Latent, samples2: Latent) -> Latent:
    """Subtract latents element by element.

    Args:
        samples1: The latents subtracted from.
        samples2: What is subtracted; resized to the first, and repeated or cut to their number.
    """
    from weft.nodes.diffusion.values.latents import fit, samples_of

    first = samples_of(samples1)
    return {**samples1, "samples": first - fit(samples_of(samples2), first)}


@node(category="latent/advanced", python_module="comfy_extras.nodes_latent")
def LatentMultiply(
    *, samples: Latent, multiplier: Annotated[float, Float(default=1.0, min=-10.0, max=10.0, step=0.01)]
) -> Latent:
    """Multiply latents by a number.

    Args:
        samples: The latents.
        multiplier: The number.
    """
    from weft.nodes.diffusion.values.latents import samples_of

    return {**samples, "samples": samples_of(samples) * multiplier}


@node(category="latent/advanced", python_module="comfy_extras.nodes_latent")
def LatentInterpolate(
    *,
    samples1: Latent,
    samples2: Latent,
    ratio: Annotated[float, Float(default=1.0, min=0.0, max=1.0, step=0.01)],
) -> Latent:
    """Mix latents, direction and length of their vectors apart, so that the mix does not lose contrast.

    Args:
        samples1: The first latents.
        samples2: The second; resized to the first, and repeated or cut to their number.
        ratio: The share of the first.
    """
    from weft.nodes.diffusion.values.latents import fit, interpolate, samples_of

    first = samples_of(samples1)
    return {**samples1, "samples": interpolate(first, fit(samples_of(samples2), first), ratio)}
