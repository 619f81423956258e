"""Latents: made, encoded, decoded, resized, kept in files; batched, turned, cut, calculated with."""

from __future__ import annotations

import json
from typing import Annotated, Any

from weft.engine.context import RunContext
from weft.engine.schema.authoring import UI, ExtraPnginfo, PromptJson, node
from weft.engine.schema.sockets import Combo, Files, Float, Int, String
from weft.nodes.core.cells import SIZED
from weft.nodes.core.conditioning import require
from weft.nodes.core.types import Crop, Image, Latent, Vae

LATENT_METHODS = ("nearest-exact", "bilinear", "area", "bicubic", "bislerp")
UpscaleMethod = Annotated[str, Combo(LATENT_METHODS)]
Overlap = Annotated[int, Int(default=64, min=0, max=4096, step=32)]
TemporalSize = Annotated[int, Int(default=64, min=8, max=4096, step=4)]
TemporalOverlap = Annotated[int, Int(default=8, min=4, max=4096, step=4)]

Amount = Annotated[int, Int(default=1, min=1, max=64)]
Pixels = Annotated[int, Int(default=512, min=64, max=16384, step=8)]
Offset = Annotated[int, Int(default=0, min=0, max=16384, step=8)]


@node(display_name="Empty Latent Image", category="latent")
def EmptyLatentImage(
    *,
    width: Annotated[int, Int(default=512, min=16, max=16384, step=8)],
    height: Annotated[int, Int(default=512, min=16, max=16384, step=8)],
    batch_size: Annotated[int, Int(default=1, min=1, max=4096)],
    context: RunContext,
) -> Latent:
    """A batch of empty latents, to be filled by sampling.

    Args:
        width: Width of the pictures in pixels.
        height: Height of the pictures in pixels.
        batch_size: How many pictures.
    """
    import torch

    SIZED["EmptyLatentImage"].tell(context.warn, width, height)
    return {"samples": torch.zeros([batch_size, 4, height // 8, width // 8]), "downscale_ratio_spacial": 8}


@node(display_name="VAE Encode", category="latent")
def VAEEncode(*, pixels: Image, vae: Vae) -> Latent:
    """Encode pictures into latents.

    Args:
        pixels: The pictures; cropped to multiples of 8 pixels.
        vae: The VAE that encodes them.
    """
    return {"samples": require(vae, "VAE").encode(pixels)}


@node(display_name="VAE Decode", category="latent")
def VAEDecode(*, samples: Latent, vae: Vae) -> Image:
    """Decode latents into pictures.

    Args:
        samples: The latents.
        vae: The VAE that decodes them.
    """
    from weft.nodes.diffusion.values.latents import samples_of

    return require(vae, "VAE").decode(samples_of(samples))


@node(display_name="VAE Decode (Tiled)", category="_for_testing")
def VAEDecodeTiled(
    *,
    samples: Latent,
    vae: Vae,
    tile_size: Annotated[int, Int(default=512, min=64, max=4096, step=32)],
    overlap: Overlap,
    temporal_size: TemporalSize,
    temporal_overlap: TemporalOverlap,
    context: RunContext,
) -> Image:
    """Decode latents tile by tile: takes less memory and more time, and differs a little from decoding at once.

    Args:
        samples: The latents.
        vae: The VAE that decodes them.
        tile_size: Side of a tile in pixels.
        overlap: Pixels that neighbouring tiles share; a quarter of tile_size at most.
        temporal_size: For VAEs of videos alone: frames decoded at once.
        temporal_overlap: For VAEs of videos alone: frames that neighbouring stretches share.
    """
    from weft.nodes.diffusion.values.latents import samples_of

    vae = require(vae, "VAE")
    cell, overlap = vae.downscale, min(overlap, tile_size // 4)
    tile = tile_size // cell
    every = max(vae.frames, 1)
    # Of a video a tile is at least two elements long, and shares at most half of itself.
    length = max(2, temporal_size // every)
    shared = max(1, min(length // 2, temporal_overlap // every))
    latents = samples_of(samples)
    return vae.decode_tiled(latents, tile, tile, overlap // cell, length, shared, report=context.progress)


@node(display_name="VAE Encode (Tiled)", category="_for_testing")
def VAEEncodeTiled(
    *,
    pixels: Image,
    vae: Vae,
    tile_size: Annotated[int, Int(default=512, min=64, max=4096, step=64)],
    overlap: Overlap,
    temporal_size: TemporalSize,
    temporal_overlap: TemporalOverlap,
    context: RunContext,
) -> Latent:
    """Encode pictures tile by tile: takes less memory and more time, and differs a little from encoding at once.

    Args:
        pixels: The pictures; cropped to multiples of 8 pixels.
        vae: The VAE that encodes them.
        tile_size: Side of a tile in pixels.
        overlap: Pixels that neighbouring tiles share; less than half of tile_size.
        temporal_size: For VAEs of videos alone: frames encoded at once.
        temporal_overlap: For VAEs of videos alone: frames that neighbouring stretches share.
    """
    vae = require(vae, "VAE")
    lengths = temporal_size, temporal_overlap
    return {"samples": vae.encode_tiled(pixels, tile_size, tile_size, overlap, *lengths, report=context.progress)}


@node(display_name="Upscale Latent", category="latent")
def LatentUpscale(
    *,
    samples: Latent,
    upscale_method: UpscaleMethod,
    width: Annotated[int, Int(default=512, min=0, max=16384, step=8)],
    height: Annotated[int, Int(default=512, min=0, max=16384, step=8)],
    crop: Crop,
) -> Latent:
    """Resize latents to a size in pixels.

    Args:
        samples: The latents.
        upscale_method: How to interpolate.
        width: Width in pixels; 0 keeps the proportions.
        height: Height in pixels; 0 keeps the proportions.
        crop: Cut to the new proportions instead of stretching.
    """
    from weft.nodes.diffusion.values.latents import samples_of
    from weft.nodes.diffusion.values.pixels import upscale_latent

    return {**samples, "samples": upscale_latent(samples_of(samples), width, height, upscale_method, crop)}


@node(display_name="Upscale Latent By", category="latent")
def LatentUpscaleBy(
    *,
    samples: Latent,
    upscale_method: UpscaleMethod,
    scale_by: Annotated[float, Float(default=1.5, min=0.01, max=8.0, step=0.01)],
) -> Latent:
    """Resize latents by a factor.

    Args:
        samples: The latents.
        upscale_method: How to interpolate.
        scale_by: The factor for both sides.
    """
    from weft.nodes.diffusion.values.latents import samples_of
    from weft.nodes.diffusion.values.pixels import upscale_by

    return {**samples, "samples": upscale_by(samples_of(samples), scale_by, upscale_method)}


@node(category="_for_testing")
def LoadLatent(*, latent: Annotated[str, Files("input", suffixes=(".latent",))], context: RunContext) -> Latent:
    """Read a latent that SaveLatent wrote.

    Args:
        latent: A .latent file in the input folder.
    """
    from weft.nodes.diffusion.values.latentfile import read_latent

    return {"samples": read_latent(context.folders.find("input", latent, (".latent",)))}


@node(category="_for_testing", output_node=True)
def SaveLatent(
    *,
    samples: Latent,
    filename_prefix: Annotated[str, String(default="latents/ComfyUI")],
    prompt: PromptJson,
    extra_pnginfo: ExtraPnginfo,
    context: RunContext,
) -> UI:
    """Write a latent to the output folder, with the workflow that made it.

    Args:
        samples: The latent.
        filename_prefix: Subfolder and beginning of the file's name.
    """
    from weft.nodes.diffusion.values.latentfile import latent_bytes
    from weft.nodes.diffusion.values.latents import samples_of

    metadata: dict[str, Any] = {"prompt": prompt, **extra_pnginfo, "weft": context.provenance}
    content = latent_bytes(samples_of(samples), {name: json.dumps(value) for name, value in metadata.items()})
    series = context.folders.numbered(filename_prefix)
    with series.create(".latent") as (stream, path):
        stream.write(content)
        context.wrote(path)
    return UI(latents=[{"filename": path.name, "subfolder": series.subfolder, "type": "output"}])


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
