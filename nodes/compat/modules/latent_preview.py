"""`latent_preview`: how samplers show what they are at: here, by their progress alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from weft.nodes.compat.missing import MissingName
from weft.nodes.compat.modules.comfy.cli_args import LatentPreviewMethod, args

MAX_PREVIEW_RESOLUTION = 512
default_preview_method = LatentPreviewMethod.NoPreviews

__all__ = ["LatentPreviewMethod", "args"]


def preview_to_image(latent_image: Any) -> Any:
    """Pixels [H,W,3] in -1..1 as a PIL image."""
    from PIL import Image

    from weft.nodes.diffusion.values.pixels import to_uint8

    return Image.fromarray(to_uint8(((latent_image.detach().float().cpu() + 1) / 2).clamp(0, 1)).numpy())


class LatentPreviewer:
    """Makes pictures of latents; a pack derives from it."""

    def decode_latent_to_preview(self, x0: Any) -> Any:
        """A PIL image of latents [B,C,h,w]. Raises NotImplementedError: whoever derives has it."""
        raise NotImplementedError(f"{type(self).__name__} has no decode_latent_to_preview")

    def decode_latent_to_preview_image(self, preview_format: str, x0: Any) -> tuple[str, Any, int]:
        """The same, as a ProgressBar takes it: format, image, most pixels a side."""
        return ("JPEG", self.decode_latent_to_preview(x0), MAX_PREVIEW_RESOLUTION)


class TAESDPreviewerImpl(LatentPreviewer):
    """Pictures by a small VAE `taesd`, which decodes latents [B,C,h,w] to [B,3,H,W] in -1..1."""

    def __init__(self, taesd: Any) -> None:
        self.taesd = taesd

    def decode_latent_to_preview(self, x0: Any) -> Any:
        """The first of the batch."""
        return preview_to_image(self.taesd.decode(x0[:1])[0].movedim(0, 2))


class Latent2RGBPreviewer(LatentPreviewer):
    """Pictures by a linear map of the latents' channels. Raises MissingName for a map that Weft has not."""

    def __init__(self, latent_rgb_factors: Any, latent_rgb_factors_bias: Any = None, *rest: Any) -> None:
        import torch

        if latent_rgb_factors is None:
            raise MissingName("Weft draws no previews of latents: it has no colours for the channels of one")
        self.factors = torch.tensor(latent_rgb_factors).transpose(0, 1)
        self.bias = torch.tensor(latent_rgb_factors_bias) if latent_rgb_factors_bias is not None else None

    def decode_latent_to_preview(self, x0: Any) -> Any:
        """The first of the batch, at the size of the latent."""
        import torch

        latent = x0[0, :, 0] if x0.ndim == 5 else x0[0]
        factors = self.factors.to(latent)
        bias = self.bias.to(latent) if self.bias is not None else None
        return preview_to_image(torch.nn.functional.linear(latent.movedim(0, -1), factors, bias))


def get_previewer(device: Any, latent_format: Any) -> LatentPreviewer | None:
    """None: nobody watches."""
    return None


def prepare_callback(
    model: Any, steps: int, x0_output_dict: dict[str, Any] | None = None
) -> Callable[[int, Any, Any, int], None]:
    """What a sampler calls after each step: `callback(step, x0, x, total_steps)` tells the progress."""
    # Asked when it is prepared: a pack may have replaced it.
    from weft.nodes.compat.modules import latent_preview
    from weft.nodes.compat.modules.comfy.utils import ProgressBar

    shape = getattr(model, "model", model)
    previewer = latent_preview.get_previewer(getattr(model, "load_device", None), getattr(shape, "latent_format", None))
    bar = ProgressBar(steps)

    def callback(step: int, x0: Any, x: Any, total_steps: int) -> None:
        if x0_output_dict is not None:
            x0_output_dict["x0"] = x0
        shown = previewer.decode_latent_to_preview_image("JPEG", x0) if previewer is not None else None
        bar.update_absolute(step + 1, total_steps, shown)

    return callback


def set_preview_method(override: str | None = None) -> None:
    """Nobody watches, whatever the method."""
