"""The names that trainers give to the layers of Wan's transformer in LoRA files.

Sources: the file's own names behind `diffusion_model.` (diffusion-pipe, lightx2v), kohya's (musubi-tuner); and
diffusers' and bare ones, which ComfyUI leaves without effect (docs/differences.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from weft.nodes.diffusion.families.protocol import LoraPlace
from weft.nodes.diffusion.families.wan.keymap import original
from weft.nodes.diffusion.weights.lora_names import prefixed

# Before the name in a single file; the last is of files for Wan-Fun.
_ORIGINAL = ("diffusion_model.", "lora_unet_", "model.diffusion_model.", "lora_unet__", "")
# Before diffusers' name of a module.
_DIFFUSERS = ("transformer.", "", "lora_transformer_", "lycoris_", "base_model.model.", "transformer.base_model.model.")


def places(modules: Iterable[str]) -> Iterator[LoraPlace]:
    """See Kind.lora_names."""
    for module in modules:
        layer = original(f"{module}.weight").removesuffix(".weight")
        for name in (*prefixed(_ORIGINAL, layer), *prefixed(_DIFFUSERS, module)):
            yield LoraPlace(name, module)
