"""What the headers of model files say, without torch: enough to see before a run that two of them do not fit.

What is not recognised for certain is None: whoever asks says nothing then.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple, Protocol

from weft.nodes.diffusion.weights.landings import Landing, landed_shape
from weft.nodes.diffusion.weights.landings import Shapes as Stored
from weft.nodes.diffusion.weights.lora_names import canonical

Shapes = Mapping[str, tuple[int, ...]]


class TextGlance(NamedTuple):
    """What text encoders write, or a model reads.

    language: what is written in one, no other model understands. title: whose it is. width: of a row, in numbers.
    pooled: of the one vector beside the rows; 0 where there is none, or it does not count.
    """

    language: str
    title: str
    width: int
    pooled: int = 0


class TextFile(NamedTuple):
    """A text encoder: its name, or in words what the file is that should hold one; and the width of its rows."""

    name: str
    width: int


class TextSet(NamedTuple):
    """Text encoders that are used together, in their order; `partly`: some of them may be missing."""

    names: tuple[str, ...]
    partly: bool = False

    @property
    def said(self) -> str:
        """`clip_l + t5xxl`."""
        return " + ".join(self.names) + (", or some of them" if self.partly else "")

    def is_of(self, names: Sequence[str]) -> bool:
        """Whether encoders of these names are such a set, in any order."""
        whole = set(names) <= set(self.names) if self.partly else set(names) == set(self.names)
        return bool(names) and whole and len(set(names)) == len(names)


class LatentGlance(NamedTuple):
    """Latents as a VAE makes them, or a model draws them.

    channels, frames: as LatentFormat has them. space: latents of one name have the same numbers for the same picture;
    empty where the header does not say.
    """

    channels: int
    frames: int = 0
    space: str = ""


@dataclass(frozen=True)
class ModelGlance:
    """A model as the header of its file has it.

    title: what its family is called. text: what it reads. latents: what it draws. side: pixels of the pictures that it
    learnt from; 0 for what is too small to be a release, or learnt from many sizes. vision: width of what it reads of
    CLIP vision, 0 for nothing. beside: channels that it reads beside the latent. named: `layers`, when asked for.
    family: the title of the Family that it is of. flow: whether it is a rectified flow. wider: by the (outputs, inputs)
    of the layer that reads the latent, those that a LoRA may give it, see Kind.wider.
    """

    title: str
    text: TextGlance
    latents: LatentGlance
    named: Callable[[], Shapes] = field(repr=False)
    side: int = 0
    vision: int = 0
    beside: int = 0
    family: str = ""
    flow: bool = True
    wider: Mapping[tuple[int, int], frozenset[tuple[int, int]]] = field(default_factory=dict)

    @cached_property
    def layers(self) -> Shapes:
        """By each name that a LoRA file may give to a layer, the shape of its weight."""
        return self.named()


class VaeGlance(NamedTuple):
    """A VAE as the header of its file has it. title: what it is called."""

    title: str
    latents: LatentGlance


class PatchGlance(NamedTuple):
    """A model patch as the header of its file has it. title: what it is called. family: the title of the Family whose
    models it is for. masks: whether it reads a mask: False for none, True for always, None for either.
    """

    title: str
    family: str
    masks: bool | None = False


@dataclass(frozen=True)
class LoraGlance:
    """A LoRA file as its header has it.

    title: "a LoRA", of another family "a LoRA for FLUX". layers: the model's layers, with (outputs, inputs) where the
    spelling tells. texts: how many layers it has for text encoders. families: by title, those that its names may be
    for; none where they do not tell.
    """

    title: str
    layers: Mapping[str, tuple[int, int] | None] = field(repr=False)
    texts: int
    families: frozenset[str] = frozenset()

    def fitting(self, model: ModelGlance) -> int:
        """How many of the layers have a place in a model, and its form."""
        return sum(_fits(form, model.layers.get(canonical(layer)), model) for layer, form in self.layers.items())

    def is_for(self, model: ModelGlance) -> bool:
        """Whether it can be made for a model: of the layers that read the prompt, else of all, some fit.

        Families share names and forms of many other layers.
        """
        if self.families and model.family not in self.families:
            return False
        reading = {layer: form for layer, form in self.layers.items() if _READS.search(layer)}
        return LoraGlance(self.title, reading or self.layers, 0).fitting(model) > 0


_READS = re.compile(r"attn2[._](?:processor[._])?to_(?:k|v)\b|cross_attn[._][kv]$")


def _fits(form: tuple[int, int] | None, weight: tuple[int, ...] | None, model: ModelGlance) -> bool:
    if weight is None or form is None or len(weight) < 2:
        return weight is not None
    own = weight[0], weight[1]
    return form == own or form in model.wider.get(own, ())


class PlaceInFile(Protocol):
    """What of a LoraPlace counts here."""

    @property
    def name(self) -> str: ...

    @property
    def module(self) -> str: ...

    @property
    def landings(self) -> tuple[Landing, ...]: ...


Places = Callable[[Iterable[str]], Iterable[PlaceInFile]]


def layers_of(shapes: Stored, landings: Mapping[str, Sequence[Landing]], places: Places) -> Shapes:
    """As ModelGlance.layers: what `places` calls the modules into which a file's tensors, of these shapes, land."""
    forms: dict[str, tuple[int, ...]] = {}
    stored: dict[str, tuple[int, ...]] = {}
    for key, targets in landings.items():
        for landing in targets if key in shapes and key.endswith(".weight") else ():
            forms[landing.target] = landed_shape(landing, shapes.shape(key))
            stored[landing.target] = shapes.shape(key)
    modules = [target.removesuffix(".weight") for target in forms if target.endswith(".weight")]
    found: dict[str, tuple[int, ...]] = {}
    for place in places(modules):
        weight = f"{place.module}.weight"
        if weight in forms:
            found[place.name] = stored[weight] if place.landings else forms[weight]
    return found
