"""GLIGEN: what stands where in a picture, said by boxes with a text each (Li et al. 2023, "GLIGEN").

A file has a network that makes a token of each box (`position_net`), and for each transformer layer of the UNet a gated
self attention over the picture's tokens and these (`fuser`), between the layer's own self and cross attention. Keys are
those of the original UNet's places, such as `input_blocks.1.1.transformer_blocks.0.fuser.linear.weight`.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from weft.nodes.diffusion.errors import CheckpointError, DiffusionError, Warn, python_warning
from weft.nodes.diffusion.families.known import describe, prefix_before
from weft.nodes.diffusion.sampling.conditions import BOXES, GROUNDED, SamplingRun
from weft.nodes.diffusion.weights.landings import Landing, Shapes
from weft.nodes.diffusion.weights.memory import DeviceMemory
from weft.nodes.diffusion.weights.networks import Part, build, check, fill, in_file, memory_of
from weft.nodes.diffusion.weights.patched import PatchedNetwork
from weft.nodes.diffusion.weights.weightfile import WeightFile

if TYPE_CHECKING:
    from weft.nodes.diffusion.text.clip import Clip

MOST_BOXES = 30
"""As it was trained: the places that no box takes are filled with what stands for none."""
# Pixels of a picture along a latent pixel.
PIXELS = 8

_MARK = "position_net.null_positive_feature"
_FUSER = re.compile(
    r"(input_blocks|middle_block|output_blocks)\.(\d+)\.(?:\d+\.)?transformer_blocks\.(\d+)\.fuser\.(.+)"
)
# The widest context of UNets whose attention has 8 heads; the others' heads are 64 wide.
_EIGHT_HEADS = 768

Box = tuple[Tensor, int, int, int, int]
"""A text, as it is pooled [1,C], and height, width, y, x in latent pixels."""
Place = tuple[str, int, int]


class Grounding(nn.Module):
    """The networks of a file. fusers: widths of the picture's tokens by place; text, context: of a text, of a token."""

    def __init__(self, text: int, context: int, fusers: Mapping[Place, int]) -> None:
        from diffusers.models.attention import GatedSelfAttentionDense
        from diffusers.models.embeddings import GLIGENTextBoundingboxProjection

        super().__init__()
        make: Any = GLIGENTextBoundingboxProjection
        self.position_net = make(positive_len=text, out_dim=context)
        gated: Any = GatedSelfAttentionDense
        heads = {width: 8 if context <= _EIGHT_HEADS else width // 64 for width in fusers.values()}
        self.fusers = nn.ModuleDict(
            {
                _name(place): gated(width, context, heads[width], width // heads[width])
                for place, width in fusers.items()
            }
        )


@dataclass(frozen=True, eq=False)
class Gligen:
    """The GLIGEN socket. text: the width of the pooled texts that it reads."""

    network: PatchedNetwork
    text: int

    @property
    def memory_parts(self) -> Iterator[tuple[Hashable, int]]:
        """As PatchedNetwork.memory_parts."""
        return self.network.memory_parts

    def bind(self, boxes: Sequence[Box], run: SamplingRun) -> Grounded:
        """See Grounder."""
        return Grounded(self, boxes, run)


def load_gligen(path: Path, *, device: torch.device | DeviceMemory, dtype: torch.dtype) -> Gligen:
    """Open a GLIGEN model for boxes with texts, as it is published for Stable Diffusion 1.4.

    Raises:
        CheckpointError: none, or one that is not whole.
    """
    with in_file(path):
        file = WeightFile(path)
        prefix = prefix_before(file.shapes, _MARK)
        if prefix is None:
            raise CheckpointError(f"no GLIGEN model for boxes with texts, but {describe(file.shapes)}")
        own = Shapes(file.shapes, prefix)
        landings = {key: (Landing(_parameter(key)),) for key in own}
        fusers = {_place(key): own.of(key, 2)[0] for key in own if key.endswith(".fuser.linear.weight")}
        (text,), (context, _) = own.of(_MARK, 1), own.of("position_net.linears.4.weight", 2)
        module = build("GLIGEN model", lambda sizes: Grounding(*sizes), (text, context, fusers))
        known = {name for name, _ in module.named_parameters()}
        part = Part("gligen", prefix, module, {key: to for key, to in landings.items() if to[0].target in known})
        _check_whole(part, known)
        check([part], file.shapes)
        fill(file, [part], {part.name: dtype})
    return Gligen(PatchedNetwork(module, memory_of(device)), text)


def with_box(
    conditioning: Sequence[Any],
    model: Gligen,
    clip: Clip,
    text: str,
    box: tuple[int, int, int, int],
    warn: Warn = python_warning,
) -> list[Any]:
    """The prompts with one more box. box: height, width, y, x in pixels of the picture.

    Raises:
        DiffusionError: a CLIP of another width, boxes of another GLIGEN model there already, or more than 30.
    """
    encoder = clip.encoders[-1]
    if encoder.width != model.text:
        raise DiffusionError(
            f"this GLIGEN model reads texts of width {model.text}, the CLIP gives {encoder.width}: it is for models of "
            "another family"
        )
    height, width, y, x = (side // PIXELS for side in box)
    added: Box = (clip.pooled(text, warn), height, width, y, x)
    boxed = []
    for context, options in conditioning:
        _, other, boxes = options.get(BOXES) or ("position", model, [])
        if other is not model:
            raise DiffusionError("the conditioning has boxes of another GLIGEN model; one can be used at a time")
        if len(boxes) == MOST_BOXES:
            raise DiffusionError(f"the conditioning has {MOST_BOXES} boxes, which is the most that GLIGEN takes")
        boxed.append([context, {**options, BOXES: ("position", model, [*boxes, added])}])
    return boxed


class Grounded:
    """Boxes in one run: a middle_patch, which has the tokens of a picture look at those of the boxes.

    Raises DiffusionError where the model is of another family or size.
    """

    def __init__(self, model: Gligen, boxes: Sequence[Box], run: SamplingRun) -> None:
        network: Any = model.network.module()
        _check_fit(network, run)
        if model.network.memory is not None:
            run.held.enter_context(model.network.memory.on_device(network))
        self._fusers: dict[Place, Any] = {
            place: network.fusers[_name(place)] for place in map(_unnamed, network.fusers)
        }
        self._objects = _objects(network.position_net, boxes, run.shape[-2], run.shape[-1])

    def __call__(self, x: Tensor, options: Mapping[str, Any]) -> Tensor:
        """[N,T,C], as a UNet's transformer layer has it between self and cross attention."""
        block, number = options["block"]
        fuser = self._fusers[block, number, options["block_index"]]
        tokens = x.to(self._objects.dtype)
        found: Tensor = fuser(tokens, self._objects.expand(x.shape[0], -1, -1))
        return found.to(x.dtype)


def _objects(network: Any, boxes: Sequence[Box], height: int, width: int) -> Tensor:
    """A token for each box in a latent of this size, and for those that are not there: [1,30,C]."""
    like = network.null_positive_feature
    corners, texts = torch.zeros(1, MOST_BOXES, 4), torch.zeros(1, MOST_BOXES, len(like))
    for place, (text, h, w, y, x) in enumerate(boxes):
        corners[0, place] = torch.tensor([x / width, y / height, (x + w) / width, (y + h) / height])
        texts[0, place] = text[0]
    there = (torch.arange(MOST_BOXES) < len(boxes)).float()[None]
    found: Tensor = network(*(each.to(like) for each in (corners, there, texts)))
    return found


def _check_fit(network: Grounding, run: SamplingRun) -> None:
    if run.model is None or GROUNDED not in run.model.places.patched:
        raise DiffusionError("it carries boxes (GLIGEN), which this model has no place for; a UNet has")
    patterns = (r".*\.attn1\.to_q\.weight", r".*\.to_out\.0\.weight")
    own = (
        sorted(weight.shape[0] for name, weight in module.named_parameters() if re.fullmatch(pattern, name))
        for pattern, module in zip(patterns, (run.denoiser.network, network.fusers), strict=True)
    )
    ours, theirs = own
    if ours != theirs:
        raise DiffusionError(
            f"the GLIGEN model is for another model: it fits {len(theirs)} attentions of widths "
            f"{sorted(set(theirs))}, this one has {len(ours)} of {sorted(set(ours))}"
        )


def _check_whole(part: Part, known: set[str]) -> None:
    missing = sorted(known - {landing.target for landings in part.landings.values() for landing in landings})
    if missing:
        raise CheckpointError(f"it is not whole: {len(missing)} tensors are missing, such as {missing[0]!r}")


def _parameter(key: str) -> str:
    """The name of a key's parameter in Grounding."""
    found = _FUSER.fullmatch(key)
    return key if found is None else f"fusers.{_name(_place(key))}.{found[4]}"


def _place(key: str) -> Place:
    """The place of a fuser's key, as functions of transformer_options count."""
    found = _FUSER.fullmatch(key)
    if found is None:
        raise CheckpointError(f"{key!r} is at no place of a UNet")
    block = found[1].removesuffix("_blocks").removesuffix("_block")
    return block, 0 if block == "middle" else int(found[2]), int(found[3])


def _name(place: Place) -> str:
    return "_".join(map(str, place))


def _unnamed(name: str) -> Place:
    block, number, index = name.split("_")
    return block, int(number), int(index)
