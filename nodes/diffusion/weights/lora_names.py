"""The names that trainers give to the layers of text encoders in LoRA files, in every family; and what names share.

A prefix stands before the name that a module has in transformers. Behind a prefix that ends with an underscore the dots
of the name are underscores too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

# Before transformers' name of a text encoder's module: of the only or first one; of the second and so on ({n}); of the
# one that goes by this {name}.
_FIRST_TEXT = (
    "lora_te_",
    "lora_te1_",
    "text_encoder.",
    "lycoris_",
    "base_model.model.",
    "text_encoder.base_model.model.",
)
_FURTHER_TEXT = ("lora_te{n}_", "text_encoder_{n}.", "text_encoder_{n}.base_model.model.")
_NAMED_TEXT = (
    "text_encoders.{name}.transformer.",  # ComfyUI's LoraSave
    "{name}.transformer.",
    "{name}.",  # OneTrainer
)
# Layers for the text encoders, also where no prefix above is known.
_OF_TEXT = ("lora_te", "text_encoder", "clip_l.", "clip_g.", "clip_h.")


# What a key may end with behind the name of its layer, and which role of the layer's format that is.
ENDINGS = {
    ".lora_up.weight": "up",
    ".lora_down.weight": "down",
    ".lora_mid.weight": "mid",
    # peft (see _PEFT), and diffusers in its several ages
    ".lora_B": "up",
    ".lora_A": "down",
    ".lora.up.weight": "up",
    ".lora.down.weight": "down",
    "_lora.up.weight": "up",
    "_lora.down.weight": "down",
    ".lora_linear_layer.up.weight": "up",
    ".lora_linear_layer.down.weight": "down",
    ".lora_magnitude_vector": "magnitude",
    # XLabs
    ".up.weight": "up",
    ".down.weight": "down",
    **{f".{role}": role for role in ("alpha", "dora_scale", "diff", "diff_b", "w_norm", "b_norm")},
    **{f".hada_{role}": f"hada_{role}" for role in ("w1_a", "w1_b", "w2_a", "w2_b", "t1", "t2")},
    **{f".lokr_{role}": f"lokr_{role}" for role in ("w1", "w1_a", "w1_b", "w2", "w2_a", "w2_b", "t2")},
    **{f".{role}.weight": role for role in ("a1", "a2", "b1", "b2")},
    **{f".{role}": role for role in ("oft_blocks", "rescale")},
}
# peft may write the name of the adapter and `weight` behind its own names.
_PEFT = re.compile(r"(\.lora_(?:A|B|magnitude_vector))(?:\.[^.]+)?(?:\.weight)?")
# What the second factor adds to every output is the layer's bias.
_PEFT_BIAS = re.compile(r"\.lora_B(?:\.[^.]+)?\.bias$")
# The weight of a norm itself, in the names of Black Forest Labs.
_NORM = re.compile(r"(.+\.(?:query|key)_norm)\.scale")


def split_key(key: str) -> tuple[str, str] | None:
    """The layer that a key of a file belongs to, and its role there; None for an ending that no format has."""
    norm = _NORM.fullmatch(key)
    if norm is not None:
        return norm[1], "set"
    key = _PEFT.sub(r"\1", _PEFT_BIAS.sub(".diff_b", key))
    for ending, role in ENDINGS.items():
        if key.endswith(ending):
            return key.removesuffix(ending), role
    return None


def text_names(module: str, encoder: str, index: int) -> Iterator[str]:
    """The names that a module of a text encoder may have in a LoRA file.

    Args:
        module: its name in transformers; `text_model.` in front or not, as the version has it.
        encoder: the encoder's own name, as "clip_l".
        index: its place among the encoders of the model.
    """
    module = module.removeprefix("text_model.")
    ranked = _FIRST_TEXT if index == 0 else tuple(prefix.format(n=index + 1) for prefix in _FURTHER_TEXT)
    prefixes = (*ranked, *(prefix.format(name=encoder) for prefix in _NAMED_TEXT))
    yield from prefixed(prefixes, module)
    yield from prefixed(prefixes, f"text_model.{module}")


def canonical(layer: str) -> str:
    """A layer's name as of today: `attn1.processor.to_out` of the first LoRAs of diffusers is `attn1.to_out.0`."""
    layer = re.sub(r"\.self_attn\.to_(q|k|v|out)$", r".self_attn.\1_proj", layer.replace(".processor.", "."))
    return f"{layer}.0" if layer.endswith(".to_out") else layer


def is_of_text(layer: str) -> bool:
    """Whether a layer is meant for a text encoder, by the start of its name."""
    return layer.startswith(_OF_TEXT)


def prefixed(prefixes: Iterable[str], module: str) -> Iterator[str]:
    """A module's name behind each of the prefixes."""
    flat = module.replace(".", "_")
    for prefix in prefixes:
        yield prefix + (flat if prefix.endswith("_") else module)
