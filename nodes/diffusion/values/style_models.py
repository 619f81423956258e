"""The STYLE_MODEL socket: what turns a picture, as a vision tower read it, into tokens beside those of a prompt."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from weft.nodes.diffusion.errors import CheckpointError, DiffusionError
from weft.nodes.diffusion.families.known import describe, prefix_before
from weft.nodes.diffusion.values.clip_vision import VisionOutput
from weft.nodes.diffusion.weights.landings import Landing, Shapes
from weft.nodes.diffusion.weights.memory import DeviceMemory
from weft.nodes.diffusion.weights.networks import Part, build, check, fill, in_file, memory_of
from weft.nodes.diffusion.weights.patched import PatchedNetwork
from weft.nodes.diffusion.weights.weightfile import WeightFile

_REDUX = "redux_up.weight"
_ADAPTER = "style_embedding"


class Redux(nn.Module):
    """Black Forest Labs' FLUX.1 Redux: two layers that bring SigLIP's tokens to the width of T5's."""

    def __init__(self, width: int, inner: int, text: int) -> None:
        super().__init__()
        self.redux_up = nn.Linear(width, inner)
        self.redux_down = nn.Linear(inner, text)

    def forward(self, tokens: Tensor) -> Tensor:
        """[B,T,width] -> [B,T,text]."""
        made: Tensor = self.redux_down(nn.functional.silu(self.redux_up(tokens)))
        return made


@dataclass(frozen=True, eq=False)
class StyleModel:
    """A style model as loaded. width: of the tokens that it reads."""

    network: PatchedNetwork
    width: int

    @property
    def memory_parts(self) -> Iterator[tuple[Hashable, int]]:
        """As PatchedNetwork.memory_parts."""
        return self.network.memory_parts

    @torch.inference_mode()
    def tokens(self, seen: VisionOutput) -> Tensor:
        """The tokens of pictures: [B,T,C] float32 on the CPU.

        Raises:
            DiffusionError: they were read by a vision tower of another width.
        """
        state = seen.last_hidden_state
        if state.shape[-1] != self.width:
            raise DiffusionError(
                f"this style model reads tokens of width {self.width}, the vision model gave {state.shape[-1]}: it "
                "needs another one (FLUX Redux: sigclip_vision_patch14_384)"
            )
        module: Any = self.network.module()
        made: Tensor = module(state.to(next(module.parameters())))
        return made.float().cpu().clone()


def load_style_model(path: Path, *, device: torch.device | DeviceMemory, dtype: torch.dtype) -> StyleModel:
    """Open a style model: FLUX Redux.

    Raises:
        CheckpointError: no style model, or one that is not supported.
    """
    with in_file(path):
        file = WeightFile(path)
        prefix = prefix_before(file.shapes, _REDUX)
        if prefix is None:
            adapter = prefix_before(file.shapes, _ADAPTER) is not None
            what = "the style model of a T2I adapter, which is not supported" if adapter else describe(file.shapes)
            raise CheckpointError(f"no style model of a known kind, but {what}; FLUX Redux is one")
        own = Shapes(file.shapes, prefix)
        (inner, width), (text, _) = own.of(_REDUX, 2), own.of("redux_down.weight", 2)
        module = build("style model", lambda sizes: Redux(*sizes), (width, inner, text))
        part = Part("style", prefix, module, {name: (Landing(name),) for name, _ in module.named_parameters()})
        check([part], file.shapes)
        fill(file, [part], {part.name: dtype})
    return StyleModel(PatchedNetwork(module, memory_of(device)), width)


def with_style(conditioning: Sequence[Any], model: StyleModel, seen: VisionOutput, strength: float) -> list[Any]:
    """The prompts with the tokens of pictures, times `strength`, behind their own.

    Raises:
        DiffusionError: as StyleModel.tokens, or a prompt of another width.
    """
    tokens = model.tokens(seen).flatten(0, 1)[None] * strength
    styled = []
    for context, options in conditioning:
        if context.shape[-1] != tokens.shape[-1]:
            raise DiffusionError(
                f"the style model makes tokens of width {tokens.shape[-1]}, the prompt's are {context.shape[-1]} wide: "
                "it is for models of another family"
            )
        styled.append([torch.cat((context, tokens.expand(context.shape[0], -1, -1)), dim=1), dict(options)])
    return styled


def small_style_model(width: int, text: int) -> dict[str, Tensor]:
    """The tensors of a small FLUX Redux of random weights: from tokens of this width to those of a prompt."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = Redux(width, 2 * width, text)
    return dict(network.state_dict())
