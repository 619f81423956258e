"""LoRA files: from a file to patches on a model and its text encoders.

A file is read into layers, named as it names them (`lora_unet_down_blocks_0_...`, `unet.down_blocks.0....`,
`lora_unet_input_blocks_1_...`). A network's parameters are offered under every name that trainers give them, so a
lookup joins the two. What a layer's tensors mean stands in lora_formats.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from torch import Tensor, nn

from nodes.diffusion.errors import CheckpointError, PatchError
from nodes.diffusion.lora_formats import OF_BIAS, SCALARS, build_patch, split_key

if TYPE_CHECKING:
    from nodes.diffusion.lora_formats import LoraPatch
    from nodes.diffusion.patcher import ModelPatcher
    from nodes.diffusion.text import Clip

UNET = "unet"
# Which of the two halves a layer is meant for, where it matches nothing: by the start of its name.
_TEXT = ("lora_te", "text_encoder")


@dataclass(frozen=True, eq=False)
class Lora:
    """A LoRA file: its tensors by layer and role, mapped from the file, and the keys that no format knows.

    source: the path and the marks of the file: equal for the same content, as far as the file system tells.
    """

    path: Path
    source: Hashable
    layers: Mapping[str, Mapping[str, Tensor]]
    unknown: tuple[str, ...]


@dataclass(frozen=True)
class LoraReport:
    """What became of a LoRA's layers.

    matched: parameters of the model and text encoders that are patched, by layer, as "unet.conv_in.weight"; where a
        layer changes weight and bias, the weight.
    unmatched: layers and biases that no network here has, and keys that no format knows: their part is lost.
    left_out: layers for the text encoders where only a model was given, or for the model where only CLIP was.
    """

    matched: Mapping[str, str]
    unmatched: tuple[str, ...]
    left_out: tuple[str, ...]


def load_lora(path: Path) -> Lora:
    """Open a LoRA file; its numbers are read when they are needed.

    Raises:
        CheckpointError: the file cannot be read, or no key of it is a LoRA's.
    """
    from nodes.diffusion.weightfile import read_tensors

    path = Path(path).resolve()
    # Before the numbers: those of a file that changes meanwhile are never taken for the new file's.
    marks = _marks(path)
    tensors = read_tensors(path)
    layers: dict[str, dict[str, Tensor]] = {}
    unknown = []
    for key, tensor in tensors.items():
        layer_and_role = split_key(key)
        if layer_and_role is None:
            unknown.append(key)
        else:
            layer, role = layer_and_role
            layers.setdefault(layer, {})[role] = tensor
    if not layers:
        shown = ", ".join(map(repr, unknown[:3])) or "none at all"
        raise CheckpointError(f"{path.name!r} is no LoRA: of its {len(unknown)} keys none is a LoRA's, but {shown}")
    return Lora(path, (str(path), *marks), layers, tuple(unknown))


def _marks(path: Path) -> tuple[int, ...]:
    """What tells a file from what it was; nothing for one that is not there."""
    if not path.is_file():
        return ()
    status = path.stat()
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def apply_lora(
    model: ModelPatcher | None, clip: Clip | None, lora: Lora, strength_model: float, strength_clip: float
) -> tuple[ModelPatcher | None, Clip | None, LoraReport]:
    """Put a LoRA on a model, on its text encoders or on both, behind the patches they have.

    The arguments are not changed; a strength of 0 patches nothing.

    Raises:
        PatchError: a layer that does not fit its weight (a LoRA of another family), named with both shapes.
    """
    targets = dict(_targets(model, clip))
    patches: dict[str, dict[str, LoraPatch]] = {}
    matched: dict[str, str] = {}
    unmatched: list[str] = list(lora.unknown)
    left_out: list[str] = []
    for layer, tensors in lora.layers.items():
        found = targets.get(_canonical(layer))
        if found is None:
            for_text = layer.startswith(_TEXT)
            (left_out if (clip if for_text else model) is None else unmatched).append(layer)
            continue
        network, module = found
        for leaf, part in _by_parameter(tensors).items():
            parameter = getattr(module.owner, leaf, None)
            name = f"{module.path}.{leaf}"
            if parameter is None:
                unmatched.extend(f"{layer}.{role}" for role in part)
                continue
            try:
                patch = build_patch(layer, part, (lora.source, layer, leaf), parameter.shape)
            except PatchError as error:
                where = f"{lora.path.name!r} does not fit {network} (is it for another model?)"
                raise PatchError(f"{where}: {error}") from error
            patches.setdefault(network, {})[name] = patch
            matched.setdefault(layer, f"{network}.{name}")
    if model is not None:
        model = model.clone()
        model.add_patches(patches.pop(UNET, {}), strength_model)
    if clip is not None:
        clip = clip.with_patches(patches, strength_clip)
    return model, clip, LoraReport(matched, tuple(unmatched), tuple(left_out))


def _by_parameter(tensors: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """What a layer's tensors change, "weight" or "bias", and with which of them."""
    of_bias = {role: tensor for role, tensor in tensors.items() if role in OF_BIAS}
    of_weight = {role: tensor for role, tensor in tensors.items() if role not in OF_BIAS}
    if of_bias and not set(of_weight) - {*SCALARS}:
        return {"bias": of_bias}
    return {"weight": of_weight, **({"bias": of_bias} if of_bias else {})}


class Target(NamedTuple):
    """A module that may be changed, and its name in its network."""

    path: str
    owner: nn.Module


def _targets(model: ModelPatcher | None, clip: Clip | None) -> Iterator[tuple[str, tuple[str, Target]]]:
    """Every module with a weight, with the name of its network, under every name that a LoRA may give it."""
    if model is not None:
        from nodes.diffusion.keymaps import unet_keymap

        original = {new: old for old, new in unet_keymap(model.family.unet).items()}
        for target in _modules(model.network.base):
            for name in _unet_names(target.path, original.get(f"{target.path}.weight")):
                yield name, (UNET, target)
    for index, encoder in enumerate(clip.encoders if clip is not None else ()):
        for target in _modules(encoder.network.base):
            for name in _text_names(target.path, index):
                yield name, (encoder.name, target)


def _modules(network: nn.Module) -> Iterator[Target]:
    for path, module in network.named_modules():
        if isinstance(getattr(module, "weight", None), nn.Parameter):
            yield Target(path, module)


def _unet_names(module: str, original: str | None) -> Iterable[str]:
    yield module
    yield f"unet.{module}"
    yield f"lora_unet_{module.replace('.', '_')}"
    if original is not None:
        module = original.removesuffix(".weight")
        yield f"diffusion_model.{module}"
        yield f"lora_unet_{module.replace('.', '_')}"


def _text_names(module: str, index: int) -> Iterable[str]:
    """kohya numbers the encoders of SDXL from 1, and one alone not at all; diffusers numbers the second."""
    module = module.removeprefix("text_model.")
    module = module if module == "text_projection" else f"text_model.{module}"
    kohya = ("lora_te_", "lora_te1_") if index == 0 else (f"lora_te{index + 1}_",)
    yield from (prefix + module.replace(".", "_") for prefix in kohya)
    yield f"text_encoder.{module}" if index == 0 else f"text_encoder_{index + 1}.{module}"


def _canonical(layer: str) -> str:
    """A layer's name as of today: `attn1.processor.to_out` of the first LoRAs of diffusers is `attn1.to_out.0`."""
    layer = layer.replace(".processor.", ".")
    return f"{layer}.0" if layer.endswith(".to_out") else layer
