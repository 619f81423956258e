"""`comfy.latent_formats`: how models take latents. `model.model.latent_format` is an instance of one.

Those of other families are names to compare with: no model here has them.
"""

from __future__ import annotations

from weft.nodes.diffusion.interop.latent_formats import SD15, SDXL, ComfyLatentFormat, SDXL_Playground_2_5

__all__ = ["SD15", "SDXL", "LatentFormat", "SDXL_Playground_2_5"]

LatentFormat = ComfyLatentFormat


class SD_X4(ComfyLatentFormat):
    """The x4 upscaler."""

    scale_factor = 0.08333


class SC_Prior(ComfyLatentFormat):
    """Stable Cascade's stage C."""

    latent_channels = 16


class SC_B(ComfyLatentFormat):
    """Its stage B."""


class SD3(ComfyLatentFormat):
    """Stable Diffusion 3."""

    latent_channels = 16
    scale_factor = 1.5305
    taesd_decoder_name = "taesd3_decoder"


class StableAudio1(ComfyLatentFormat):
    """Stable Audio."""

    latent_channels = 64
    latent_dimensions = 1


class Flux(ComfyLatentFormat):
    """FLUX."""

    latent_channels = 16
    scale_factor = 0.3611
    taesd_decoder_name = "taef1_decoder"


class Mochi(ComfyLatentFormat):
    """Mochi."""

    latent_channels = 12
    latent_dimensions = 3


class LTXV(ComfyLatentFormat):
    """LTX-Video."""

    latent_channels = 128
    latent_dimensions = 3


class HunyuanVideo(ComfyLatentFormat):
    """HunyuanVideo."""

    latent_channels = 16
    latent_dimensions = 3
    scale_factor = 0.476986


class Wan21(ComfyLatentFormat):
    """Wan 2.1."""

    latent_channels = 16
    latent_dimensions = 3


class Wan22(Wan21):
    """Wan 2.2's 5B."""

    latent_channels = 48
