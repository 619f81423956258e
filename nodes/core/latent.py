"""Latents: made, encoded, decoded, resized, kept in files."""

from __future__ import annotations

import json
from typing import Annotated, Any

from weft.engine.context import RunContext
from weft.engine.schema.authoring import UI, ExtraPnginfo, PromptJson, node
from weft.engine.schema.sockets import Combo, Files, Float, Int, String
from weft.nodes.core.conditioning import require
from weft.nodes.core.types import Crop, Image, Latent, Vae

LATENT_METHODS = ("nearest-exact", "bilinear", "area", "bicubic", "bislerp")
UpscaleMethod = Annotated[str, Combo(LATENT_METHODS)]
Overlap = Annotated[int, Int(default=64, min=0, max=4096, step=32)]
TemporalSize = Annotated[int, Int(default=64, min=8, max=4096, step=4)]
TemporalOverlap = Annotated[int, Int(default=8, min=4, max=4096, step=4)]


@node(display_name="Empty Latent Image", category="latent")
def EmptyLatentImage(
    *,
    width: Annotated[int, Int(default=512, min=16, max=16384, step=8)],
    height: Annotated[int, Int(default=512, min=16, max=16384, step=8)],
    batch_size: Annotated[int, Int(default=1, min=1, max=4096)],
) -> Latent:
    """A batch of empty latents, to be filled by sampling.

    Args:
        width: Width of the pictures in pixels.
        height: Height of the pictures in pixels.
        batch_size: How many pictures.
    """
    import torch

    return {"samples": torch.zeros([batch_size, 4, height // 8, width // 8])}


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
    return vae.decode_tiled(samples_of(samples), tile_size // cell, overlap // cell, context.progress)


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
    return {"samples": require(vae, "VAE").encode_tiled(pixels, tile_size, overlap, context.progress)}


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
