"""Model patches that put what a vision tower made of pictures beside the prompt (families.model_patches.StyleKind)."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.families.model_patches import NETWORK, StyleKind

if TYPE_CHECKING:
    from weft.nodes.diffusion.sampling.conditions import SamplingRun
    from weft.nodes.diffusion.sampling.model_patch import ModelPatch
    from weft.nodes.diffusion.values.clip_vision import VisionOutput
    from weft.nodes.diffusion.weights.patcher import ModelPatcher


@dataclass(frozen=True, eq=False)
class StylePatch:
    """See NetworkPatch: a model patch that reads what a vision tower made of pictures, on one model."""

    patch: ModelPatch
    kind: StyleKind
    seen: VisionOutput
    # What it reads: the same in every step and stage.
    _rows: list[Tensor] = field(default_factory=list, repr=False)

    @property
    def memory_parts(self) -> Iterator[tuple[Hashable, int]]:
        """What it keeps in memory, by what others may share."""
        yield id(self._rows), sum(each.nbytes for each in self._rows)
        yield from self.patch.memory_parts

    def hold(self, run: SamplingRun) -> None:
        """See HeldPatch: the network is there until it has read the pictures."""
        self._read(run.device)

    def __call__(self, network: nn.Module, sample: Tensor, options: Mapping[str, Any]) -> nn.Module:
        """See NetworkPatch."""
        return self.kind.styled(network, self._read(sample.device))

    def _read(self, device: torch.device) -> Tensor:
        if not self._rows or self._rows[0].device != device:
            network = self.patch.network
            # Plain tensors: they outlive the run.
            with torch.inference_mode(False), torch.no_grad():
                module = network.module()
                with nullcontext() if network.memory is None else network.memory.on_device(module):
                    self._rows[:] = [self.kind.rows(module, self.seen).to(device)]
        return self._rows[0]


def with_style_reference(model: ModelPatcher, patch: ModelPatch, seen: VisionOutput) -> ModelPatcher:
    """The model that reads the style of pictures beside every prompt, before what it reads of others already.

    Raises:
        DiffusionError: a patch for another model, one that reads no style, or pictures read by another vision tower.
    """
    kind = patch.kind
    if not isinstance(kind, StyleKind):
        raise DiffusionError(f"this model patch is {kind.title}, which {kind.applied_by} puts on a model")
    patch.check_fit(model)
    kind.check_seen(seen)
    clone = model.clone()
    clone.set_model_patch(StylePatch(patch, kind, seen), NETWORK)
    return clone
