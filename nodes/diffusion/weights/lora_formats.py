"""How LoRA files spell the change of a layer, and what weight each spelling makes.

A layer's factors carry roles ("up", "down", ...), which the endings of keys tell (lora_names); FORMATS says which roles
make which format. Sources: Hu et al. 2021 (LoRA), Yeh et al. 2023 "Navigating Text-To-Image Customization"
(LyCORIS: LoCon, LoHa, LoKr, and the norms and full differences that its files also hold), Liu et al. 2024 (DoRA),
Chavan et al. 2023 (GLoRA), Qiu et al. 2023 (OFT), Liu et al. 2024 (BOFT). Arithmetic, in float32, as measured on
ComfyUI 0.3.64 (parity/facts.md section 11), held by the goldens lora_*, clip_lora_* and xl_lora. Its GLoRA, OFT and
BOFT differ from LyCORIS, whose files they are, in what their comments say.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from weft.nodes.diffusion.errors import PatchError

Factors = Mapping[str, Tensor]

# What a layer may have beside its format's factors. magnitude: peft's name for a dora_scale by row.
SCALARS = ("alpha", "dora_scale", "magnitude")
# What changes the bias of a layer, not its weight.
OF_BIAS = frozenset({"diff_b", "b_norm"})


class Inert(PatchError):
    """A layer that ComfyUI takes and leaves without effect."""


class Use(NamedTuple):
    """What a change may depend on beside its factors: the weight, float32, the strength, and alpha (0: none).

    The strength is for changes that are no multiple of it; the sum of weight and change takes it in any case.
    """

    weight: Tensor
    strength: float
    alpha: float


@dataclass(frozen=True)
class LoraFormat:
    """One way to spell a change.

    spellings: sets of roles, of which a layer has exactly one.
    change: factors (float32), Use -> the change of the weight, in the weight's shape or flattened to it; without scale.
    rank: factors, the weight's shape -> what divides alpha; None: alpha does not scale the change.
    """

    spellings: tuple[frozenset[str], ...]
    change: Callable[[Factors, Use], Tensor]
    rank: Callable[[Factors, torch.Size], int | None] = lambda f, shape: None


def _lora(f: Factors, use: Use) -> Tensor:
    down = f["down"]
    if "mid" in f:  # Tucker: the 1x1 down projection, then the core
        down = _tucker(f["mid"], None, down)
    return f["up"].flatten(1) @ down.flatten(1)


def _loha(f: Factors, use: Use) -> Tensor:
    one, two = (
        _tucker(f[f"hada_t{i}"], f[f"hada_w{i}_a"], f[f"hada_w{i}_b"])
        if f"hada_t{i}" in f
        else f[f"hada_w{i}_a"] @ f[f"hada_w{i}_b"]
        for i in (1, 2)
    )
    return one * two


def _lokr(f: Factors, use: Use) -> Tensor:
    one = f["lokr_w1"] if "lokr_w1" in f else f["lokr_w1_a"] @ f["lokr_w1_b"]
    if "lokr_t2" in f:
        two = _tucker(f["lokr_t2"], f["lokr_w2_a"], f["lokr_w2_b"])
    else:
        two = f["lokr_w2"] if "lokr_w2" in f else f["lokr_w2_a"] @ f["lokr_w2_b"]
    return torch.kron(one.reshape(*one.shape, *[1] * (two.ndim - one.ndim)), two.contiguous())


def _lokr_rank(f: Factors, shape: torch.Size) -> int | None:
    ranked = [f[role] for role in ("lokr_w2_b", "lokr_w1_b") if role in f]
    return ranked[0].shape[0] if ranked else None


def _glora(f: Factors, use: Use) -> Tensor:
    """W a1 a2 + b1 b2, where a1 and a2 act on the input channels; files of old had the names of each pair swapped."""
    a, other_a, b, other_b = (f[role].flatten(1) for role in ("a1", "a2", "b1", "b2"))
    if not _glora_in_order(f, use.weight.shape):
        a, other_a, b, other_b = other_a, a, other_b, b
    scaled: Tensor = torch.tensordot(use.weight, a @ other_a, dims=([1], [0]))
    return scaled.movedim(-1, 1) + (b @ other_b).reshape(use.weight.shape)


def _glora_in_order(f: Factors, shape: torch.Size) -> bool:
    """Whether the names are those of today. Where both orders fit a square weight, ComfyUI asks which side is wide."""
    a1, a2, b1, b2 = (f[role].shape for role in ("a1", "a2", "b1", "b2"))
    new = a1[1] == a2[0] == b1[1] == b2[0]
    old = a1[0] == a2[1] == b1[0] == b2[1]
    return new and not (old and a2[0] == shape[0] == shape[1])


def _glora_rank(f: Factors, shape: torch.Size) -> int:
    return f["a2" if _glora_in_order(f, shape) else "a1"].shape[0]


def _oft(f: Factors, use: Use) -> Tensor:
    """Each block of output channels turned by a rotation of its own, then stretched by `rescale`.

    As in ComfyUI the strength counts twice, here and where the change is added; LyCORIS counts it once.
    """
    turns = _rotations(f["oft_blocks"], use)
    blocks = torch.unflatten(use.weight, 0, turns.shape[:2])
    turned = torch.einsum("knm,kn...->km...", turns, blocks).flatten(0, 1)
    return use.strength * (_stretched(turned, f) - use.weight)


def _boft(f: Factors, use: Use) -> Tensor:
    """A butterfly of such rotations: in stage i a block takes its channels from both halves of a group of 2^i blocks.

    The strength counts twice, as in OFT; here it brings each rotation nearer to none.
    """
    size = f["oft_blocks"].shape[-1]
    still = torch.eye(size, device=use.weight.device)
    turned = use.weight
    for stage, turns in enumerate(_rotations(f["oft_blocks"], use)):
        halves = (-1, 2, 2**stage * (size // 2))
        mixed = torch.unflatten(turned, 0, halves).transpose(1, 2).flatten(0, 2)
        mixed = torch.unflatten(mixed, 0, (-1, size))
        mixed = torch.einsum("kij,kj...->ki...", torch.lerp(still, turns, use.strength), mixed)
        turned = torch.unflatten(mixed.flatten(0, 1), 0, (-1, halves[2], 2)).transpose(1, 2).flatten(0, 2)
    return _stretched(turned, f) - use.weight


def _rotations(blocks: Tensor, use: Use) -> Tensor:
    """Cayley's transform of what is skew in the blocks [..., n, n]; alpha > 0 bounds how far they turn together.

    As in ComfyUI alpha is the bound itself; in LyCORIS it is a share of the output channels.
    """
    skew = blocks - blocks.mT
    if use.alpha > 0:
        norm: Tensor = torch.linalg.vector_norm(skew) + 1e-8
        skew = skew * (use.alpha / norm).clamp(max=1.0)
    still = torch.eye(blocks.shape[-1], device=blocks.device)
    inverse: Tensor = torch.linalg.inv(still - skew)
    return (still + skew) @ inverse


def _stretched(turned: Tensor, f: Factors) -> Tensor:
    return turned * f["rescale"].reshape(-1, *[1] * (turned.ndim - 1)) if "rescale" in f else turned


def _tucker(core: Tensor, left: Tensor | None, right: Tensor) -> Tensor:
    """[i,j,k,l] core, [i,p] left (none: the identity), [j,r] right -> [p,r,k,l]."""
    result = torch.einsum("ijkl,jr->irkl", core, right.flatten(1))
    return result if left is None else torch.einsum("irkl,ip->prkl", result, left)


def _difference(f: Factors, use: Use) -> Tensor:
    (difference,) = f.values()
    return difference


def _instead(f: Factors, use: Use) -> Tensor:
    return f["set"] - use.weight


def _roles(*names: str) -> frozenset[str]:
    return frozenset(names)


_HADA = _roles("hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b")
_KRON_1 = (_roles("lokr_w1"), _roles("lokr_w1_a", "lokr_w1_b"))
_KRON_2 = (_roles("lokr_w2"), _roles("lokr_w2_a", "lokr_w2_b"), _roles("lokr_t2", "lokr_w2_a", "lokr_w2_b"))

FORMATS: Mapping[str, LoraFormat] = {
    # LoCon is LoRA on convolutions too, with or without the core of a Tucker decomposition.
    "lora": LoraFormat((_roles("up", "down"), _roles("up", "down", "mid")), _lora, lambda f, shape: f["down"].shape[0]),
    "loha": LoraFormat((_HADA, _HADA | {"hada_t1", "hada_t2"}), _loha, lambda f, shape: f["hada_w1_b"].shape[0]),
    "lokr": LoraFormat(tuple(one | two for one in _KRON_1 for two in _KRON_2), _lokr, _lokr_rank),
    "glora": LoraFormat((_roles("a1", "a2", "b1", "b2"),), _glora, _glora_rank),
    "oft": LoraFormat((_roles("oft_blocks"), _roles("oft_blocks", "rescale")), _oft),
    "diff": LoraFormat(tuple(_roles(role) for role in ("diff", "diff_b", "w_norm", "b_norm")), _difference),
    # A weight instead of the one that is there, at any strength (the norms of FLUX.1's Depth and Canny LoRAs).
    "set": LoraFormat((_roles("set"),), _instead),
}
# Spelled as OFT, with one dimension of the blocks more: the stages.
_BOFT = LoraFormat(FORMATS["oft"].spellings, _boft)


@dataclass(frozen=True, eq=False)
class LoraPatch:
    """The change of one weight, as a patched.Patch.

    identity: equal for the same layer of the same file.
    factors: the format's tensors as stored, mapped from the file where it can be.
    scale: alpha / rank, 1 without alpha. alpha: 0 without.
    dora: the magnitudes of a weight-decomposed LoRA, one a column or a row; None without.
    """

    identity: Hashable
    format: LoraFormat
    factors: Factors
    scale: float
    alpha: float = 0.0
    dora: Tensor | None = None

    @property
    def nbytes(self) -> int:
        """Bytes of the factors."""
        held = [*self.factors.values(), *([] if self.dora is None else [self.dora])]
        return sum(tensor.nbytes for tensor in held)

    @property
    def networks(self) -> tuple[()]:
        """See Patch: none."""
        return ()

    def apply(self, weight: Tensor, strength: float) -> Tensor:
        """The patched weight, float32, in the shape of `weight`, which is not changed."""
        factors = {role: tensor.to(weight.device, torch.float32) for role, tensor in self.factors.items()}
        if self.format is FORMATS["set"]:
            return factors["set"]
        # A decomposed weight is interpolated as a whole.
        made_for = strength if self.dora is None else 1.0
        change = self.format.change(factors, Use(weight, made_for, self.alpha)).reshape(weight.shape)
        if self.dora is None:
            return torch.add(weight, change, alpha=strength * self.scale)
        merged = torch.add(weight, change, alpha=self.scale)
        decomposed = _renormed(merged, self.dora.to(weight.device, torch.float32))
        return decomposed if strength == 1.0 else torch.lerp(weight, decomposed, strength)


def _renormed(weight: Tensor, magnitudes: Tensor) -> Tensor:
    """The weight with its columns, or its rows where there is one magnitude for each row, brought to these lengths."""
    kept = 0 if _by_row(magnitudes, weight.shape) else 1
    others = [axis for axis in range(weight.ndim) if axis != kept]
    length: Tensor = torch.linalg.vector_norm(weight, dim=others, keepdim=True)
    return weight * (magnitudes.reshape(length.shape) / (length + torch.finfo(weight.dtype).eps))


def _by_row(magnitudes: Tensor, shape: torch.Size) -> bool:
    return magnitudes.ndim > 0 and magnitudes.shape[0] == magnitudes.numel() == shape[0]


def build_patch(layer: str, tensors: Factors, identity: Hashable, shape: torch.Size) -> LoraPatch:
    """The patch that a layer's tensors spell, for a weight of this shape.

    Raises:
        PatchError: they make no format, do not fit each other, or make another shape.
        Inert: see there.
    """
    roles = frozenset(tensors) - {*SCALARS}
    format_ = next((each for each in FORMATS.values() if roles in each.spellings), None)
    if format_ is None:
        raise PatchError(f"layer {layer!r} has the factors {sorted(roles)}: no {', '.join(FORMATS)} is made of these")
    factors = {role: tensors[role] for role in sorted(roles)}
    if format_ is FORMATS["oft"] and factors["oft_blocks"].ndim == 4:
        if "alpha" not in tensors:
            raise Inert(f"layer {layer!r} is a BOFT without alpha, which ComfyUI leaves without effect")
        format_ = _BOFT
    _check_shape(layer, format_, factors, shape)
    given = tensors.get("alpha")
    if given is not None and given.numel() != 1:
        raise PatchError(f"layer {layer!r} has an alpha of shape {tuple(given.shape)}, expected one number")
    rank = format_.rank(factors, shape)
    alpha = 0.0 if given is None else given.item()
    scale = 1.0 if given is None or not rank else alpha / rank
    return LoraPatch(identity, format_, factors, scale, alpha, _magnitudes(layer, tensors, shape))


def _magnitudes(layer: str, tensors: Factors, shape: torch.Size) -> Tensor | None:
    """The magnitudes of a weight-decomposed layer, [rows, 1] or one a column; None without."""
    dora, of_rows = tensors.get("dora_scale"), tensors.get("magnitude")
    if of_rows is not None:
        if of_rows.numel() != shape[0]:
            got, expected = tuple(of_rows.shape), f"({shape[0]},)"
            raise PatchError(f"layer {layer!r} has a lora_magnitude_vector of shape {got}, expected {expected}")
        return of_rows.reshape(-1, 1)
    if dora is not None and not _by_row(dora, shape) and (len(shape) < 2 or dora.numel() != shape[1]):
        expected = " or ".join([f"({shape[0]}, 1)", *(f"(1, {columns})" for columns in shape[1:2])])
        raise PatchError(f"layer {layer!r} has a dora_scale of shape {tuple(dora.shape)}, expected {expected}")
    return dora


def _check_shape(layer: str, format_: LoraFormat, factors: Factors, shape: torch.Size) -> None:
    """Let the format make its change on the meta device, where only shapes are computed."""
    got = ", ".join(f"{role} {tuple(tensor.shape)}" for role, tensor in factors.items())
    try:
        made = _shape(format_, factors, shape)
    except (RuntimeError, IndexError) as error:
        raise PatchError(f"layer {layer!r}: its factors {got} do not fit each other, or {tuple(shape)}") from error
    # As in ComfyUI: a product of factors is read in the weight's shape whatever its own, a difference is not.
    as_it_is = format_ in (FORMATS["diff"], FORMATS["set"])
    if made == shape or (not as_it_is and made.numel() == shape.numel()):
        return
    raise PatchError(f"layer {layer!r}: its factors {got} make {tuple(made)}, expected {tuple(shape)}")


def made_shape(tensors: Factors, shape: torch.Size) -> torch.Size | None:
    """The shape of the change that a layer's tensors spell for a weight of this shape; None where they spell none."""
    roles = frozenset(tensors) - {*SCALARS}
    format_ = next((each for each in FORMATS.values() if roles in each.spellings), None)
    try:
        return None if format_ is None else _shape(format_, {role: tensors[role] for role in roles}, shape)
    except (RuntimeError, IndexError):
        return None


def _shape(format_: LoraFormat, factors: Factors, shape: torch.Size) -> torch.Size:
    on_meta = {role: torch.empty(tensor.shape, device="meta") for role, tensor in factors.items()}
    with torch.device("meta"):
        return format_.change(on_meta, Use(torch.empty(shape), 1.0, 0.0)).shape
