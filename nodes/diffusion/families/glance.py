"""What the headers of model files say, without torch: enough to see before a run that two of them do not fit.

What is not recognised for certain is None: whoever asks says nothing then.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from weft.nodes.diffusion.weights.lora_names import canonical

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class ModelGlance:
    """A model as the header of its file has it.

    title: what its family is called. towers: the text encoders that it reads, by name. latents: the scale of its
    latents; models of one scale read each other's. side: pixels of the pictures that it learnt from, 0 for what is too
    small to be a release. layers: by each name that a LoRA file may give to a layer, the shape of its weight.
    """

    title: str
    towers: tuple[str, ...]
    latents: float
    side: int
    layers: Shapes = field(repr=False)


@dataclass(frozen=True)
class LoraGlance:
    """A LoRA file as its header has it.

    title: "a LoRA", of another family "a LoRA for FLUX". layers: the model's layers, with (outputs, inputs) where the
    spelling tells. texts: how many layers it has for text encoders.
    """

    title: str
    layers: Mapping[str, tuple[int, int] | None] = field(repr=False)
    texts: int

    def fitting(self, model: ModelGlance) -> int:
        """How many of the layers have a place in a model, and its form."""
        return sum(_fits(form, model.layers.get(canonical(layer))) for layer, form in self.layers.items())

    def is_for(self, model: ModelGlance) -> bool:
        """Whether it can be made for a model: of the layers that read the prompt, else of all, some fit.

        Families share names and forms of many other layers.
        """
        reading = {layer: form for layer, form in self.layers.items() if _READS.search(layer)}
        return LoraGlance(self.title, reading or self.layers, 0).fitting(model) > 0


_READS = re.compile(r"attn2[._](?:processor[._])?to_(?:k|v)\b")


def _fits(form: tuple[int, int] | None, weight: tuple[int, ...] | None) -> bool:
    return weight is not None and (form is None or len(weight) < 2 or form == (weight[0], weight[1]))
