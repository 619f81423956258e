"""Tensors as bytes, for caches that outlive the process: a safetensors file of one tensor.

What comes back has the bits, the type, the shape and the strides that went in: sums depend on the order in memory.
Pictures, masks, latents, sigmas and conditionings are tensors in lists and dicts, which need nothing of their own.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from weft.engine.schema.packs import Codec

if TYPE_CHECKING:
    from torch import Tensor


def encode(tensor: Tensor) -> bytes:
    """The file. Raises TypeError for a tensor that is more than numbers in the memory of the processor."""
    import torch
    from safetensors.torch import save

    plain = tensor.layout is torch.strided and tensor.device.type == "cpu" and not tensor.is_quantized
    if not plain or tensor.requires_grad or tensor.is_conj() or tensor.is_neg():
        raise TypeError("only plain tensors on the CPU are kept")
    if tensor.is_contiguous():
        return save({"value": tensor.detach()})
    if torch.empty_like(tensor, device="meta").stride() != tensor.stride():
        return save({"value": tensor.contiguous()})  # with gaps or overlaps, which nothing can depend on
    laid = json.dumps([tensor.shape, tensor.stride()])
    return save({"value": tensor.as_strided((tensor.numel(),), (1,))}, {"laid": laid})


def decode(content: bytes) -> Tensor:
    """The tensor, in memory of its own."""
    import torch
    from safetensors.torch import load

    # Cloned: a blob lies in memory as it comes, while torch's own memory is aligned.
    tensor: Tensor = load(content)["value"].clone()
    size = int.from_bytes(content[:8], "little")
    laid = json.loads(content[8 : 8 + size]).get("__metadata__", {}).get("laid")
    return tensor if laid is None else torch.as_strided(tensor, *json.loads(laid))


TENSOR = Codec(encode, decode)
