"""How LoRA files spell the change of a layer, and what weight each spelling makes.

A layer's factors carry roles ("up", "down", ...); FORMATS says which roles make which format, ENDINGS which ending of
a key means which role. Sources: Hu et al. 2021 (LoRA), Yeh et al. 2023 "Navigating Text-To-Image Customization"
(LyCORIS: LoCon, LoHa, LoKr), Liu et al. 2024 (DoRA). Arithmetic, in float32, as measured on ComfyUI 0.3.64
(parity/facts.md section 11), held by the goldens lora_*, clip_lora_* and xl_lora.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from nodes.diffusion.errors import PatchError

Factors = Mapping[str, Tensor]

ENDINGS = {
    ".lora_up.weight": "up",
    ".lora_down.weight": "down",
    ".lora_mid.weight": "mid",
    # peft, and diffusers in its several ages
    ".lora_B.weight": "up",
    ".lora_A.weight": "down",
    ".lora_B.default.weight": "up",
    ".lora_A.default.weight": "down",
    ".lora.up.weight": "up",
    ".lora.down.weight": "down",
    "_lora.up.weight": "up",
    "_lora.down.weight": "down",
    ".lora_linear_layer.up.weight": "up",
    ".lora_linear_layer.down.weight": "down",
    **{f".{role}": role for role in ("alpha", "dora_scale")},
    **{f".hada_{role}": f"hada_{role}" for role in ("w1_a", "w1_b", "w2_a", "w2_b", "t1", "t2")},
    **{f".lokr_{role}": f"lokr_{role}" for role in ("w1", "w1_a", "w1_b", "w2", "w2_a", "w2_b", "t2")},
}
SCALARS = ("alpha", "dora_scale")


def split_key(key: str) -> tuple[str, str] | None:
    """The layer that a key of a file belongs to, and its role there; None for an ending that no format has."""
    for ending, role in ENDINGS.items():
        if key.endswith(ending):
            return key.removesuffix(ending), role
    return None


@dataclass(frozen=True)
class Format:
    """One way to spell a change.

    spellings: sets of roles, of which a layer has exactly one.
    change: factors (float32) -> the change of the weight, in the weight's shape or flattened to it; without scale.
    rank: factors -> what divides alpha; None: alpha does not count.
    """

    spellings: tuple[frozenset[str], ...]
    change: Callable[[Factors], Tensor]
    rank: Callable[[Factors], int | None]


def _lora(f: Factors) -> Tensor:
    down = f["down"]
    if "mid" in f:  # Tucker: the 1x1 down projection, then the core
        down = _tucker(f["mid"], None, down)
    return f["up"].flatten(1) @ down.flatten(1)


def _loha(f: Factors) -> Tensor:
    one, two = (
        _tucker(f[f"hada_t{i}"], f[f"hada_w{i}_a"], f[f"hada_w{i}_b"])
        if f"hada_t{i}" in f
        else f[f"hada_w{i}_a"] @ f[f"hada_w{i}_b"]
        for i in (1, 2)
    )
    return one * two


def _lokr(f: Factors) -> Tensor:
    one = f["lokr_w1"] if "lokr_w1" in f else f["lokr_w1_a"] @ f["lokr_w1_b"]
    if "lokr_t2" in f:
        two = _tucker(f["lokr_t2"], f["lokr_w2_a"], f["lokr_w2_b"])
    else:
        two = f["lokr_w2"] if "lokr_w2" in f else f["lokr_w2_a"] @ f["lokr_w2_b"]
    return torch.kron(one.reshape(*one.shape, *[1] * (two.ndim - one.ndim)), two.contiguous())


def _lokr_rank(f: Factors) -> int | None:
    ranked = [f[role] for role in ("lokr_w2_b", "lokr_w1_b") if role in f]
    return ranked[0].shape[0] if ranked else None


def _tucker(core: Tensor, left: Tensor | None, right: Tensor) -> Tensor:
    """[i,j,k,l] core, [i,p] left (none: the identity), [j,r] right -> [p,r,k,l]."""
    result = torch.einsum("ijkl,jr->irkl", core, right.flatten(1))
    return result if left is None else torch.einsum("irkl,ip->prkl", result, left)


def _roles(*names: str) -> frozenset[str]:
    return frozenset(names)


_HADA = _roles("hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b")
_KRON_1 = (_roles("lokr_w1"), _roles("lokr_w1_a", "lokr_w1_b"))
_KRON_2 = (_roles("lokr_w2"), _roles("lokr_w2_a", "lokr_w2_b"), _roles("lokr_t2", "lokr_w2_a", "lokr_w2_b"))

FORMATS: Mapping[str, Format] = {
    # LoCon is LoRA on convolutions too, with or without the core of a Tucker decomposition.
    "lora": Format((_roles("up", "down"), _roles("up", "down", "mid")), _lora, lambda f: f["down"].shape[0]),
    "loha": Format((_HADA, _HADA | {"hada_t1", "hada_t2"}), _loha, lambda f: f["hada_w1_b"].shape[0]),
    "lokr": Format(tuple(one | two for one in _KRON_1 for two in _KRON_2), _lokr, _lokr_rank),
}


@dataclass(frozen=True, eq=False)
class LoraPatch:
    """The change of one weight, as a patcher.Patch.

    identity: equal for the same layer of the same file.
    factors: the format's tensors as stored, mapped from the file where it can be.
    scale: alpha / rank, 1 without alpha.
    dora: the magnitudes of a weight-decomposed LoRA, one a column or a row; None without.
    """

    identity: Hashable
    format: Format
    factors: Factors
    scale: float
    dora: Tensor | None = None

    @property
    def nbytes(self) -> int:
        """Bytes of the factors."""
        held = [*self.factors.values(), *([] if self.dora is None else [self.dora])]
        return sum(tensor.nbytes for tensor in held)

    def apply(self, weight: Tensor, strength: float) -> Tensor:
        """The patched weight, float32, in the shape of `weight`, which is not changed."""
        factors = {role: tensor.to(weight.device, torch.float32) for role, tensor in self.factors.items()}
        change = self.format.change(factors).reshape(weight.shape)
        if self.dora is None:
            return torch.add(weight, change, alpha=strength * self.scale)
        merged = torch.add(weight, change, alpha=self.scale)
        decomposed = _renormed(merged, self.dora.to(weight.device, torch.float32))
        return decomposed if strength == 1.0 else torch.lerp(weight, decomposed, strength)


def _renormed(weight: Tensor, magnitudes: Tensor) -> Tensor:
    """The weight with its columns, or its rows where there is one magnitude for each row, brought to these lengths."""
    kept = 0 if _by_row(magnitudes, weight.shape) else 1
    others = [axis for axis in range(weight.ndim) if axis != kept]
    length = torch.linalg.vector_norm(weight, dim=others, keepdim=True)
    return weight * (magnitudes.reshape(length.shape) / (length + torch.finfo(weight.dtype).eps))


def _by_row(magnitudes: Tensor, shape: torch.Size) -> bool:
    return magnitudes.ndim > 0 and magnitudes.shape[0] == magnitudes.numel() == shape[0]


def build_patch(layer: str, tensors: Factors, identity: Hashable, shape: torch.Size) -> LoraPatch:
    """The patch that a layer's tensors spell, for a weight of this shape.

    Raises:
        PatchError: they make no format, do not fit each other, or make another shape.
    """
    roles = frozenset(tensors) - {*SCALARS}
    format_ = next((each for each in FORMATS.values() if roles in each.spellings), None)
    if format_ is None:
        raise PatchError(f"layer {layer!r} has the factors {sorted(roles)}: no {', '.join(FORMATS)} is made of these")
    factors = {role: tensors[role] for role in sorted(roles)}
    _check_shape(layer, format_, factors, shape)
    rank = format_.rank(factors)
    alpha, dora = tensors.get("alpha"), tensors.get("dora_scale")
    if alpha is not None and alpha.numel() != 1:
        raise PatchError(f"layer {layer!r} has an alpha of shape {tuple(alpha.shape)}, expected one number")
    if dora is not None and not _by_row(dora, shape) and (len(shape) < 2 or dora.numel() != shape[1]):
        expected = " or ".join([f"({shape[0]}, 1)", *(f"(1, {columns})" for columns in shape[1:2])])
        raise PatchError(f"layer {layer!r} has a dora_scale of shape {tuple(dora.shape)}, expected {expected}")
    scale = 1.0 if alpha is None or not rank else alpha.item() / rank
    return LoraPatch(identity, format_, factors, scale, dora)


def _check_shape(layer: str, format_: Format, factors: Factors, shape: torch.Size) -> None:
    """Let the format make its change on the meta device, where only shapes are computed."""
    got = ", ".join(f"{role} {tuple(tensor.shape)}" for role, tensor in factors.items())
    try:
        made = format_.change({r: torch.empty(t.shape, device="meta") for r, t in factors.items()}).shape
    except (RuntimeError, IndexError) as error:
        raise PatchError(f"layer {layer!r}: its factors {got} do not fit each other") from error
    if made[0] != shape[0] or made.numel() != shape.numel():
        flat = (shape[0], shape.numel() // shape[0])
        raise PatchError(
            f"layer {layer!r}: its factors {got} make {tuple(made)}, expected {tuple(shape)}"
            + (f" or {flat}" if len(shape) > 2 else "")
        )
