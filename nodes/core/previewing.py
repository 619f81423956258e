"""Pictures of what a sampler is at, for whoever watches a run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from weft.engine.context import RunContext
from weft.engine.errors import MissingFile


def previewer(context: RunContext, model: Any) -> Callable[[Any], Any] | None:
    """What draws the prediction [B,C,h,w] of a step, as the network has it; None where nobody watches.

    With the family's TAESD, where its decoder is in vae_approx and can be read, else by a linear map. Where drawing
    fails, it is said, once, and nothing is drawn any more.
    """
    latent_format = getattr(model, "latent_format", None)
    if latent_format is None or not context.takes_previews:
        return None
    draw = [_best(context, latent_format)]

    def drawn(denoised: Any) -> Any:
        try:
            return draw[0](denoised) if draw else None
        except Exception as error:  # a picture of the way is no reason not to arrive
            draw.clear()
            context.warn(f"no previews are drawn: {type(error).__name__}: {error}")
            return None

    return drawn


def _best(context: RunContext, latent_format: Any) -> Callable[[Any], Any]:
    try:
        tiny = _tiny(context, latent_format)
    except Exception as error:  # a file that stands there by mistake, for instance
        context.warn(f"previews are drawn without TAESD: {type(error).__name__}: {error}")
        tiny = None
    return tiny or _linear(latent_format)


def _linear(latent_format: Any) -> Callable[[Any], Any]:
    from weft.nodes.diffusion.values.latent_colours import picture

    return lambda denoised: picture(denoised, latent_format)


def _tiny(context: RunContext, latent_format: Any) -> Callable[[Any], Any] | None:
    from weft.nodes.core.loaders import place, tiny_files
    from weft.nodes.diffusion.values.tiny_vae import KINDS, load_tiny_vae

    is_like = latent_format.channels, latent_format.scale
    name = next((name for name, kind in KINDS.items() if (kind.channels, kind.scale) == is_like), None)
    if name is None:
        return None
    try:
        files = tiny_files(name, context.folders, ("decoder",))
    except MissingFile:
        return None
    from PIL import Image

    from weft.nodes.diffusion.values.pixels import to_uint8

    where = place(context)
    vae = load_tiny_vae(files, KINDS[name], device=where.memory, dtype=where.vae)

    def drawn(denoised: Any) -> Any:
        pixels = vae.decode(latent_format.from_network(denoised[:1].float().cpu()))
        return Image.fromarray(to_uint8(pixels[..., :3])[0].numpy())

    return drawn
