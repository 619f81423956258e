"""The names that trainers give to the layers of FLUX.1 in LoRA files: see lora_places, and those of XLabs.

XLabs, and ByteDance's USO after them, name what is added in a block's attention: `double_blocks.0.processor.qkv_lora1`
on the picture's stream, `..2` on the text's (Apache 2.0; `processor.` is gone when a name comes here).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from weft.nodes.diffusion.families.lora_places import places
from weft.nodes.diffusion.families.protocol import LoraPlace
from weft.nodes.diffusion.weights.landings import Landing, fused

# Before the file's names beside what is usual: its makers' own have nothing there.
_ORIGINAL = ("", "base_model.model.")
_XLABS = ("", "diffusion_model.")
_DOUBLE = {
    "img_attn.qkv": "qkv_lora1",
    "img_attn.proj": "proj_lora1",
    "txt_attn.qkv": "qkv_lora2",
    "txt_attn.proj": "proj_lora2",
}
_BLOCK = re.compile(r"(double|single)_blocks\.\d+\.(.+)\.weight")


def lora_places(
    modules: Iterable[str], landings: Mapping[str, tuple[Landing, ...]], hidden: int
) -> Iterator[LoraPlace]:
    """See Kind.lora_names. landings: of the file's keys. hidden: the width of the network."""
    yield from places(modules, landings, _ORIGINAL)
    for key, targets in landings.items():
        found = _BLOCK.fullmatch(key)
        if found is None:
            continue
        block, inner = key.removesuffix(f".{found[2]}.weight"), found[2]
        if found[1] == "double" and inner in _DOUBLE:
            yield from _placed(f"{block}.{_DOUBLE[inner]}", targets)
        elif inner == "linear1":
            # Without the rows of the feed-forward layer, which are the last.
            yield from _placed(f"{block}.qkv", fused({landing.target: hidden for landing in targets[:3]}))
        elif inner == "linear2":
            yield from _placed(f"{block}.proj", targets)


def _placed(name: str, targets: tuple[Landing, ...]) -> Iterator[LoraPlace]:
    for at, landing in enumerate(targets):
        form = targets if len(targets) > 1 else ()
        for prefix in _XLABS:
            yield LoraPlace(prefix + name, landing.target.rpartition(".")[0], form, at)
