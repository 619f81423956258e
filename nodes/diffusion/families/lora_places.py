"""The names that trainers give to the layers of FLUX.1's and Stable Diffusion 3's transformers in LoRA files.

Sources: kohya's sd-scripts (the file's own names, underscored), the models' makers and ComfyUI (`diffusion_model.`),
diffusers and peft (`transformer.`), OneTrainer (`lora_transformer_`), LyCORIS; parity_families/facts.md section 9.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from weft.nodes.diffusion.families.protocol import LoraPlace
from weft.nodes.diffusion.weights.landings import Landing
from weft.nodes.diffusion.weights.lora_names import prefixed

# Before diffusers' name of a module.
_DIFFUSERS = ("transformer.", "", "lora_transformer_", "lycoris_", "base_model.model.", "transformer.base_model.model.")
# Before the name in a single file.
_ORIGINAL = ("diffusion_model.", "lora_unet_", "model.diffusion_model.")


def places(
    modules: Iterable[str], landings: Mapping[str, tuple[Landing, ...]], original: Sequence[str] = ()
) -> Iterator[LoraPlace]:
    """See Kind.lora_names. landings: of the file's keys. original: what more than usual stands before their names."""
    for module in modules:
        for name in prefixed(_DIFFUSERS, module):
            yield LoraPlace(name, module)
    for key, targets in landings.items():
        layer, _, leaf = key.rpartition(".")
        if leaf == "bias" or not targets[0].target.endswith(".weight"):
            continue
        for index, landing in enumerate(targets):
            form = targets if len(targets) > 1 or not landing.is_plain else ()
            for name in prefixed((*_ORIGINAL, *original), layer):
                yield LoraPlace(name, landing.target.rpartition(".")[0], form, index)
