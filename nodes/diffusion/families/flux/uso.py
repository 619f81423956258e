"""USO's style: rows of pictures, as SigLIP read them, before those of the prompt (Wu et al. 2025; ByteDance's code).

Of three layers of SigLIP the tokens become fewer (a linear layer over them, then SiLU), are normed, and brought to the
width of the network. Where the words are at that width, too, the rows stand before them, and as these have no place.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.families.flux.glance import USO_TITLE, read_uso
from weft.nodes.diffusion.values.pixels import to_batch
from weft.nodes.diffusion.weights.landings import Landing
from weft.nodes.diffusion.weights.networks import Part, build

if TYPE_CHECKING:
    from weft.nodes.diffusion.families.protocol import FileShapes
    from weft.nodes.diffusion.values.clip_vision import VisionOutput

# What the file calls the layers, and their places in SigLIP, from its end.
LEVELS: Mapping[str, int] = {"high": -2, "mid": -11, "low": -20}


class Projector(nn.Module):
    """From `tokens` of SigLIP, `seen` wide, to `rows` for each of its layers, `width` wide as the network."""

    def __init__(self, tokens: int, seen: int, rows: int, width: int) -> None:
        super().__init__()
        for level in LEVELS:
            self.add_module(f"{level}_embedding_linear", nn.Sequential(nn.Linear(tokens, rows), nn.SiLU()))
            self.add_module(f"{level}_layer_norm", nn.LayerNorm(seen))
            self.add_module(f"{level}_projection", nn.Linear(seen, width))

    def forward(self, states: Mapping[str, Tensor]) -> Tensor:
        """[B,tokens,seen] of each level -> [B,levels * rows,width]."""
        made = []
        for level in LEVELS:
            fewer, norm, project = (
                self.get_submodule(f"{level}_{name}") for name in ("embedding_linear", "layer_norm", "projection")
            )
            made.append(project(norm(fewer(states[level].transpose(1, 2)).transpose(1, 2))))
        return torch.cat(made, dim=1)


@dataclass(frozen=True)
class UsoKind:
    """See StyleKind. sizes: keyword arguments of Projector. prefix: before its keys in the file."""

    sizes: Mapping[str, int]
    prefix: str = ""

    name = "flux"
    title = USO_TITLE
    applied_by = "USOStyleReference"
    ignored: ClassVar[Mapping[str, str]] = {}

    def part(self) -> Part:
        """See PatchKind."""
        module = build("model patch", lambda sizes: Projector(**sizes), self.sizes)
        return Part("patch", self.prefix, module, {name: (Landing(name),) for name, _ in module.named_parameters()})

    def check_fit(self, module: nn.Module, network: nn.Module) -> None:
        """See PatchKind."""
        config = cast("Any", network).config
        width = config.num_attention_heads * config.attention_head_dim
        if width != self.sizes["width"]:
            raise DiffusionError(
                f"this model patch is {self.title} for a model {self.sizes['width']} wide; this model is {width} wide"
            )

    def check_seen(self, seen: VisionOutput) -> None:
        """See StyleKind."""
        expected = self.sizes["tokens"], self.sizes["seen"]
        for level, state in self._states(seen).items():
            got = None if state is None else tuple(state.shape[1:])
            if got != expected:
                what = f"no layer {LEVELS[level]}" if got is None else f"{got[0]} tokens of width {got[1]}"
                raise DiffusionError(
                    f"{self.title} reads {expected[0]} tokens of width {expected[1]} of SigLIP, the vision model gave "
                    f"{what}: it needs another one (sigclip_vision_patch14_384)"
                )

    def rows(self, module: nn.Module, seen: VisionOutput) -> Tensor:
        """See StyleKind."""
        weight = next(module.parameters())
        states = {level: cast("Tensor", state).to(weight) for level, state in self._states(seen).items()}
        made: Tensor = module(states)
        return made.flatten(0, 1)[None]

    def _states(self, seen: VisionOutput) -> dict[str, Tensor | None]:
        known = {**seen.deeper, -2: seen.penultimate_hidden_states}
        return {level: known.get(place) for level, place in LEVELS.items()}

    def styled(self, network: nn.Module, rows: Tensor) -> nn.Module:
        """See StyleKind."""
        given, view = cast("Any", network), copy.copy(network)
        words, places = StyledWords(given.context_embedder, rows), StyledPlaces(given.pos_embed, rows.shape[1])
        view._modules = {**network._modules, "context_embedder": words, "pos_embed": places}
        return view


class StyledWords(nn.Module):
    """What brings words into a network, and the rows of a style before them."""

    def __init__(self, embedder: nn.Module, rows: Tensor) -> None:
        super().__init__()
        self.embedder = embedder
        self.style = rows

    def forward(self, words: Tensor) -> Tensor:
        """[N,T,C] -> [N,rows + T,width]."""
        embedded: Tensor = self.embedder(words)
        return torch.cat([to_batch(self.style, len(words)).to(embedded), embedded], dim=1)


class StyledPlaces(nn.Module):
    """What turns places into angles, with `count` rows that have none before those of the words."""

    def __init__(self, embedder: nn.Module, count: int) -> None:
        super().__init__()
        self.embedder = embedder
        self.count = count

    def forward(self, places: Tensor) -> Any:
        """[T,3], as what it stands around."""
        return self.embedder(pad(places, (0, 0, self.count, 0)))


def recognise_patch(shapes: FileShapes) -> UsoKind | None:
    """See Family."""
    found = read_uso(shapes)
    return None if found is None else UsoKind(found[1], found[0])
