"""What a file of Qwen-Image is, told by its keys and their shapes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from weft.nodes.diffusion.errors import CheckpointError
from weft.nodes.diffusion.families import known
from weft.nodes.diffusion.families.qwen.kind import AXES, HEAD, PREFIX, QwenImageKind
from weft.nodes.diffusion.weights.landings import Shapes
from weft.nodes.diffusion.weights.weightfile import Renamed, Weights

if TYPE_CHECKING:
    from weft.nodes.diffusion.families.protocol import FileShapes

MARK = "txt_norm.weight"


def with_keys_of_checkpoint(file: Weights) -> Weights:
    """The file with its transformer's keys as in a checkpoint, beside its others."""
    prefix = known.prefix_before(file.shapes, MARK)
    if prefix is None or prefix == PREFIX or known.foreign(file.shapes) != f"a {known.QWEN} model":
        return file
    return Renamed(
        file, {key: PREFIX + key.removeprefix(prefix) if key.startswith(prefix) else key for key in file.shapes}
    )


def recognise(shapes: FileShapes) -> QwenImageKind | None:
    """See Family.recognise."""
    found = Shapes(shapes, PREFIX)
    if MARK not in found or known.foreign(shapes) != f"a {known.QWEN} model":
        return None
    width, patched = found.of("img_in.weight", 2)
    if patched != 4 * 16:
        raise CheckpointError(f"this model of Qwen-Image reads {patched} numbers a patch: expected 64")
    if "time_text_embed.addition_t_embedding.weight" in found:
        raise CheckpointError("this is Qwen-Image Layered, which is not supported")
    sizes: dict[str, Any] = {
        "in_channels": patched,
        "num_layers": len(found.indices(r"transformer_blocks\.(\d+)\.")),
        "attention_head_dim": HEAD,
        "num_attention_heads": width // HEAD,
        "joint_attention_dim": found.of(MARK, 1)[0],
        "axes_dims_rope": AXES,
    }
    return QwenImageKind(sizes)
