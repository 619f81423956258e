"""The names that trainers give to the layers of a UNet in LoRA files: one table.

A prefix stands before the name that a module has in diffusers, or before the one of the original layout. Behind a
prefix that ends with an underscore the dots of the name are underscores too.
"""

from __future__ import annotations

from collections.abc import Iterator

from weft.nodes.diffusion.weights.lora_names import prefixed

# Before diffusers' name of a UNet's module.
_UNET = (
    "",  # the first LoRAs of diffusers
    "unet.",  # diffusers; OneTrainer
    "lora_unet_",  # kohya, LyCORIS, OneTrainer, LCM
    "lycoris_",  # SimpleTuner, and LyCORIS by itself
    "base_model.model.",  # peft by itself
    "unet.base_model.model.",
)
# Before its name in a single file.
_UNET_ORIGINAL = (
    "diffusion_model.",  # ComfyUI's LoraSave, diffusion-pipe
    "model.diffusion_model.",
    "unet.",  # OneTrainer
    "lora_unet_",  # kohya on SDXL
    "lycoris_",
)


def unet_names(module: str, original: str | None) -> Iterator[str]:
    """The names that a module of a UNet may have in a LoRA file.

    Args:
        module: its name in diffusers.
        original: its name in a single file, without prefix; None where it has none.
    """
    yield from prefixed(_UNET, module)
    if original is not None:
        yield from prefixed(_UNET_ORIGINAL, original)
