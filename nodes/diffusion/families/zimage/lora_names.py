"""The names that trainers give to the layers of Z-Image's transformer in LoRA files.

Sources: the file's own names and diffusers', each behind several prefixes; parity_families/facts.md section 9.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from weft.nodes.diffusion.families.protocol import LoraPlace
from weft.nodes.diffusion.weights.landings import Landing
from weft.nodes.diffusion.weights.lora_names import prefixed

_PREFIXES = ("diffusion_model.", "transformer.", "", "lora_unet_", "lycoris_", "base_model.model.")


def places(modules: Iterable[str], landings: Mapping[str, tuple[Landing, ...]]) -> Iterator[LoraPlace]:
    """See Kind.lora_names. landings: of the file's keys."""
    for module in modules:
        for name in prefixed(_PREFIXES, module):
            yield LoraPlace(name, module)
    for key, targets in landings.items():
        layer, _, leaf = key.rpartition(".")
        if leaf != "weight":
            continue
        for at, landing in enumerate(targets):
            module = landing.target.rpartition(".")[0]
            if layer == module:
                continue
            for name in prefixed(_PREFIXES, layer):
                yield LoraPlace(name, module, targets if len(targets) > 1 else (), at)
