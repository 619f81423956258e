"""Files whose layers are kept in few bits with a scale: read as the numbers that they stand for.

Three ways to say it: `scaled_fp8` beside `X.scale_weight`; `X.comfy_quant`, JSON, beside `X.weight_scale`; the same
JSON in the metadata of the file. Formats: float8_e4m3fn times a scale; int8_tensorwise times a scale, or one a row, and
with `convrot` rotated in groups of columns. Any other is refused by its name. Rules and numbers:
parity_families/facts.md section 10, the goldens quant_*. A weight stays as it is, in a PackedTensor.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from weft.nodes.diffusion.errors import CheckpointError
from weft.nodes.diffusion.weights import float8
from weft.nodes.diffusion.weights.packed import PackedTensor, WeightForm, WidenedForm
from weft.nodes.diffusion.weights.weightfile import Weights

MARK = "scaled_fp8"
METADATA = "_quantization_metadata"
# Behind a layer's name: what stands beside a weight that is quantised; the scale of inputs is no matter on a CPU.
SCALES = (".scale_weight", ".weight_scale")
DESCRIPTION = ".comfy_quant"
BESIDE = (*SCALES, DESCRIPTION, ".scale_input", ".input_scale")
_FLOAT8, _INT8 = "float8_e4m3fn", "int8_tensorwise"
# What its numbers are until the run's number format is known.
_READ = torch.float32


@dataclass(frozen=True)
class ScaledFloat8(WidenedForm):
    """float8_e4m3fn times one scale. marked: whether its file says so by `scaled_fp8`, and not layer by layer."""

    marked: bool = False

    exact: ClassVar[bool] = False
    format: ClassVar[float8.Float8] = float8.FORMATS["fp8_e4m3fn"]

    def widened(self, weight: PackedTensor) -> Tensor:
        """See WeightForm."""
        assert weight.scale is not None
        return weight.packed.float() * weight.scale

    def again(self, name: str, weight: Tensor) -> Tensor:
        """See WeightForm: with a new scale, and rounded at random by the name."""
        scale = weight.abs().max() / torch.finfo(self.format.dtype).max
        if not scale:
            return weight
        packed = float8.seeded(name, weight * (1.0 / scale), self.format).to(self.format.dtype)
        return PackedTensor(self, packed, scale, tuple(weight.shape), weight.dtype)

    def beside(self, scale: Tensor | None) -> Mapping[str, Tensor]:
        """See WeightForm."""
        assert scale is not None
        return {SCALES[0]: scale} if self.marked else {SCALES[1]: scale, DESCRIPTION: _said(format=_FLOAT8)}


class ScaledInt8(NamedTuple):
    """int8 times a scale, one or one for each row; rotated: columns of a group of so many are turned together.

    What such a layer reads is turned and rounded, too: each token to 8 bits of its largest number.
    """

    rotated: int = 0

    @property
    def exact(self) -> bool:
        """See WeightForm."""
        return False

    @property
    def by_rows(self) -> bool:
        """See WeightForm."""
        return True

    def widened(self, weight: PackedTensor) -> Tensor:
        """See WeightForm."""
        assert weight.scale is not None
        return self._turned(weight.packed.float() * weight.scale)

    def again(self, name: str, weight: Tensor) -> Tensor:
        """See WeightForm: with a new scale for each row, and rounded at random by the name."""
        turned = self._turned(weight)
        scale = _eighth(turned)
        packed = (turned / scale + float8.draws(name, weight)).floor().clamp(-128, 127).to(torch.int8)
        return PackedTensor(self, packed, scale, tuple(weight.shape), weight.dtype)

    def linear(self, x: Tensor, weight: PackedTensor, bias: Tensor | None) -> Tensor:
        """See WeightForm."""
        assert weight.scale is not None
        tokens = self._turned(x.reshape(-1, x.shape[-1]).float())
        scale = _eighth(tokens)
        rounded = (tokens / scale).round().clamp(-128, 127).to(torch.int8)
        product = _multiplied(rounded, weight.packed).float() * scale * weight.scale.reshape(1, -1)
        result = product if bias is None else product + bias.float()
        return result.to(x.dtype).reshape(*x.shape[:-1], -1)

    def beside(self, scale: Tensor | None) -> Mapping[str, Tensor]:
        """See WeightForm."""
        assert scale is not None
        rotated = {"convrot": True, "convrot_groupsize": self.rotated} if self.rotated else {}
        return {SCALES[1]: scale, DESCRIPTION: _said(format=_INT8, **rotated)}

    def _turned(self, weight: Tensor) -> Tensor:
        """The rotation is its own inverse."""
        if not self.rotated:
            return weight
        groups = weight.reshape(weight.shape[0], -1, self.rotated)
        return (groups @ rotation(self.rotated).to(weight)).reshape(weight.shape)


def _eighth(rows: Tensor) -> Tensor:
    """[n,1]: what 1 of 127 is, in each row."""
    return rows.abs().amax(dim=1, keepdim=True).clamp(min=torch.finfo(torch.float32).tiny) / 127.0


def _multiplied(tokens: Tensor, weight: Tensor) -> Tensor:
    """[n,in] x [out,in] -> [n,out], int8 to int32: exact."""
    fits = tokens.is_cuda and not (tokens.shape[1] % 8 or weight.shape[0] % 8)
    if tokens.is_cuda and not fits:
        return (tokens.double() @ weight.double().t()).round()
    # A GPU multiplies more than 16 rows.
    more = max(0, 17 - len(tokens)) if fits else 0
    return torch._int_mm(functional.pad(tokens, (0, 0, 0, more)), weight.t())[: len(tokens)]


def rotation(size: int) -> Tensor:
    """Hadamard's matrix [size,size] of a power of 4: of 4x4 with -1 on the other diagonal, orthogonal and symmetric."""
    four = torch.ones(4, 4) - 2.0 * torch.eye(4).flip(0)
    matrix = torch.ones(1, 1)
    while len(matrix) < size:
        matrix = torch.kron(matrix, four)
    if len(matrix) != size:
        raise CheckpointError(f"layers are rotated in groups of {size} columns: expected a power of 4")
    turned: Tensor = matrix / size**0.5
    return turned


class Quantised:
    """A file of weights whose quantised layers read as plain ones: its tensors for them are PackedTensors.

    forms: of each such weight, by its key.
    """

    def __init__(self, file: Weights, forms: Mapping[str, WeightForm]) -> None:
        self._file = file
        self._forms = forms
        self.metadata = file.metadata
        self._scales = {key: _scale_of(key, file.shapes) for key in forms}
        self.shapes = {key: shape for key, shape in file.shapes.items() if not _beside(key)}

    def tensors(self, names: Iterable[str] | None = None) -> Iterator[tuple[str, Tensor]]:
        """See WeightFile."""
        wanted = self.shapes if names is None else names
        for key, stored in self._file.tensors(wanted):
            yield key, self._packed(key, stored)

    def tensor(self, name: str) -> Tensor:
        """See WeightFile."""
        return self._packed(name, self._file.tensor(name))

    def _packed(self, key: str, stored: Tensor) -> Tensor:
        form = self._forms.get(key)
        if form is None:
            return stored
        # A copy: so few bytes are to keep no file open.
        scale = self._file.tensor(self._scales[key]).float().clone()
        scale = scale.reshape([-1, *[1] * (stored.dim() - 1)] if scale.numel() > 1 else [])
        return PackedTensor(form, stored, scale, tuple(stored.shape), _READ)


def widened(file: Weights) -> Weights:
    """The file, its quantised layers as plain ones; itself where it has none.

    Raises:
        CheckpointError: layers in a format that nothing here reads, or without their scale.
    """
    forms = dict(_forms(file))
    return Quantised(file, forms) if forms or any(map(_beside, file.shapes)) else file


def _forms(file: Weights) -> Iterator[tuple[str, WeightForm]]:
    described = {key for key in file.shapes if key.endswith(DESCRIPTION)}
    for key in described:
        layer = key.removesuffix(DESCRIPTION)
        yield f"{layer}.weight", _form(layer, _json(bytes(file.tensor(key).tolist()), key))
    stated = file.metadata.get(METADATA)
    if stated is not None:
        layers = _json(stated, METADATA).get("layers", {})
        yield from ((f"{layer}.weight", _form(layer, how)) for layer, how in layers.items())
    if any(key == MARK or key.endswith(f".{MARK}") for key in file.shapes):
        of_old = (key.removesuffix(SCALES[0]) for key in file.shapes if key.endswith(SCALES[0]))
        yield from ((f"{layer}.weight", ScaledFloat8(marked=True)) for layer in of_old)
    elif stray := next((key for key in file.shapes if key.endswith(SCALES) and not described and stated is None), None):
        raise CheckpointError(f"key {stray!r} says that the file is quantised, and nothing in it says how")


def _form(layer: str, how: Any) -> WeightForm:
    name = how.get("format") if isinstance(how, dict) else None
    if name == _FLOAT8:
        return ScaledFloat8()
    if name == _INT8:
        return ScaledInt8(int(how.get("convrot_groupsize", 0)) if how.get("convrot") else 0)
    raise CheckpointError(
        f"layer {layer!r} is quantised as {name!r}, which is not supported: {_FLOAT8} and {_INT8} are"
    )


def _said(**how: Any) -> Tensor:
    """What is told of a layer, as a tensor."""
    return torch.tensor(list(json.dumps(how).encode()), dtype=torch.uint8)


def _json(text: str | bytes, where: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise CheckpointError(f"{where!r} is no JSON: {error}") from error


def _scale_of(key: str, shapes: Mapping[str, Any]) -> str:
    layer = key.removesuffix(".weight")
    found = next((layer + end for end in SCALES if layer + end in shapes), None)
    if found is None or key not in shapes:
        raise CheckpointError(f"the quantised layer {layer!r} has no {'scale' if key in shapes else 'weight'}")
    return found


def _beside(key: str) -> bool:
    return key.endswith(BESIDE) or key == MARK or key.endswith(f".{MARK}")
