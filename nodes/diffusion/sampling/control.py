"""ControlNets: pictures that steer a network's inner layers (Zhang et al. 2023, "Adding Conditional Control").

A ControlNet is a copy of a part of the network that also reads a picture, the hint; what it computes is added to the
network's inner layers. What it is and how it is called is its family's (ControlKind). Semantics: parity/facts.md
section 6; numbers: goldens cn_*.
"""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor, nn

from weft.nodes.diffusion.errors import CheckpointError, DiffusionError, Warn, python_warning
from weft.nodes.diffusion.families import FAMILIES, recognise_controlnet, renamed_controlnet
from weft.nodes.diffusion.interop.control import ControlNetNames, GivenControl
from weft.nodes.diffusion.values.pixels import resize, to_batch
from weft.nodes.diffusion.weights.networks import Part, check, fill, in_file, memory_of
from weft.nodes.diffusion.weights.patched import PatchedNetwork
from weft.nodes.diffusion.weights.weightfile import Weights, opened

if TYPE_CHECKING:
    from weft.nodes.diffusion.families.protocol import ControlKind, Family, Fed, FileShapes, Kind, Steering
    from weft.nodes.diffusion.sampling.conditions import SamplingRun
    from weft.nodes.diffusion.values.vae import Vae
    from weft.nodes.diffusion.weights.memory import DeviceMemory


@dataclass(frozen=True, eq=False)
class ControlNet(ControlNetNames):
    """The CONTROL_NET socket: a ControlNet as loaded.

    kind: what its file is: which models it fits, and how it is called.
    """

    network: PatchedNetwork
    kind: ControlKind

    def for_task(self, name: str) -> ControlNet:
        """It, told that it sees pictures of this kind. Raises DiffusionError for one that it does not know."""
        return ControlNet(self.network, self.kind.for_task(name))

    @property
    def memory_parts(self) -> Iterator[tuple[Hashable, int]]:
        """As PatchedNetwork.memory_parts."""
        return self.network.memory_parts

    def given(self) -> GivenControl:
        """See ControlNetNames."""
        return GivenControl(self, Control)


@dataclass(frozen=True, eq=False)
class Control:
    """What a conditioning carries under "control": a ControlNet, its hint and how much it acts when.

    hint: [B,H,W,3] in 0..1. start_percent, end_percent: shares of the way from noise to image, both ends included.
    previous: a control that acts as well. vae: what encodes the hint, for a ControlNet that reads latents.
    """

    net: ControlNet
    hint: Tensor
    strength: float = 1.0
    start_percent: float = 0.0
    end_percent: float = 1.0
    previous: Control | None = None
    vae: Vae | None = None
    # What the network read in the hint, by the latent's size: the same in every step and stage.
    _read: dict[Hashable, tuple[Tensor, ...]] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.net, ControlNet):
            raise DiffusionError(f"expected a ControlNet (as ControlNetLoader gives), got {type(self.net).__name__}")
        got = list(self.hint.shape) if isinstance(self.hint, Tensor) else type(self.hint).__name__
        if not isinstance(got, list) or len(got) != 4 or got[-1] != 3 or 0 in got:
            raise DiffusionError(f"a ControlNet's picture is [batch, height, width, 3], got {got}")
        if self.net.kind.encoded and self.vae is None:
            raise DiffusionError(
                "this ControlNet reads its picture as a latent: give Apply ControlNet the VAE of the model, too"
            )

    def copy(self) -> GivenControl:
        """One as packs change it, but for what acts before it."""
        given = self.net.given()
        span = self.start_percent, self.end_percent
        return given.set_cond_hint(self.hint.movedim(-1, 1), self.strength, span, self.vae)

    @property
    def chain(self) -> tuple[Control, ...]:
        """This control and those before it, the first first."""
        return (*(self.previous.chain if self.previous else ()), self)

    @property
    def memory_parts(self) -> Iterator[tuple[Hashable, int]]:
        """What it keeps in memory, by what others may share."""
        for control in self.chain:
            yield id(control.hint), control.hint.nbytes
            yield id(control._read), sum(part.nbytes for read in control._read.values() for part in read)
            yield from control.net.memory_parts
            if control.vae is not None:
                yield from control.vae.network.memory_parts

    def bind(self, run: SamplingRun) -> BoundControl:
        """It and those before it, for one run. Raises DiffusionError where one is made for another model."""
        return BoundControl([ActiveControl.of(control, run) for control in self.chain], run.shape[0])

    def read(self, module: nn.Module, height: int, width: int) -> tuple[Tensor, ...]:
        """What the network sees in the hint, brought to this size in pixels, or the next that it takes; once."""
        weight = next(module.parameters())
        multiple = self.net.kind.hint_multiple
        height, width = (-(-side // multiple) * multiple for side in (height, width))
        key = height, width, weight.device, weight.dtype
        if key not in self._read:
            if self.vae is not None and self.net.kind.encoded:
                hint = resize(self.hint.movedim(-1, 1), width, height, "bilinear", "center").movedim(1, -1)
                # One by one: a VAE of videos takes a batch for one.
                latents = torch.cat([self.vae.encode(each[None]) for each in hint])
                hint = latents[:, :, 0] if latents.dim() == 5 else latents
            else:
                hint = resize(self.hint.movedim(-1, 1), width, height, "nearest-exact", "center")
            self._read[key] = self.net.kind.read(module, hint.to(weight))
        return self._read[key]


@dataclass(frozen=True, eq=False)
class ActiveControl:
    """One control of a chain in one run: its network on the device, and the noise levels at which it acts.

    pixels: of the hint, along one side of an element of the run's latent.
    """

    control: Control
    module: nn.Module
    sigma_start: float
    sigma_end: float
    pixels: int

    @classmethod
    def of(cls, control: Control, run: SamplingRun) -> ActiveControl:
        """Raises DiffusionError where the ControlNet is made for another model."""
        network = control.net.network
        control.net.kind.check_fit(network.base, run.denoiser)
        percent_to_sigma = run.denoiser.sampling.percent_to_sigma
        module, memory = network.module(), network.memory
        if memory is not None:
            run.held.enter_context(memory.on_device(module))
        module = control.net.kind.joined(module, run.denoiser, memory)
        start, end = percent_to_sigma(control.start_percent), percent_to_sigma(control.end_percent)
        return cls(control, module, start, end, run.denoiser.latent_format.pixels)

    def acts(self, sigma: float) -> bool:
        """Whether it acts at this noise level."""
        return self.sigma_end <= sigma <= self.sigma_start


class BoundControl:
    """A chain of controls in one run; what they give is added up.

    batch: items of the run's latent; a call of the network holds a multiple of it, one batch a condition.
    """

    def __init__(self, links: Sequence[ActiveControl], batch: int) -> None:
        self._links = tuple(links)
        self._batch = batch

    def residuals(
        self,
        sample: Tensor,
        timestep: Tensor,
        context: Tensor,
        added: Mapping[str, Tensor] | None,
        sigma: Tensor,
    ) -> list[Tensor | None]:
        """What is added to the network's inner layers, in the order of its family; empty where no control acts.

        sample: [N,C,h,w] as the network takes it, without concatenated channels. The others as Denoiser's.
        """
        total: list[Tensor | None] = []
        for link in self._links:
            if link.acts(float(sigma)):
                parts = self._run(link, sample, timestep, context, added)
                total = [_sum(a, b) for a, b in itertools.zip_longest(total, parts)]
        return [part if part is None else part.to(sample.dtype) for part in total]

    def _run(
        self, link: ActiveControl, sample: Tensor, timestep: Tensor, context: Tensor, added: Mapping[str, Tensor] | None
    ) -> list[Tensor | None]:
        control = link.control
        height, width = (side * link.pixels for side in sample.shape[-2:])
        read = control.read(link.module, height, width)
        if read[0].shape[0] > 1:
            times = sample.shape[0] // self._batch
            read = tuple(to_batch(part, self._batch).repeat(times, *[1] * (part.dim() - 1)) for part in read)
        return control.net.kind.run(link.module, sample, timestep, context, added, read, control.strength)


@dataclass(frozen=True, eq=False)
class PromptedControl:
    """See Steering: a control that reads a prompt of its own."""

    control: Steering
    prompt: Fed

    def residuals(
        self,
        sample: Tensor,
        timestep: Tensor,
        context: Tensor,
        added: Mapping[str, Tensor] | None,
        sigma: Tensor,
    ) -> list[Tensor | None]:
        """See Steering."""
        batch = sample.shape[0]
        read = {name: to_batch(each, batch) for name, each in self.prompt.added.items()}
        return self.control.residuals(sample, timestep, to_batch(self.prompt.context, batch), read or None, sigma)


def _sum(a: Tensor | None, b: Tensor | None) -> Tensor | None:
    return b if a is None else a if b is None else a + b


def with_control(
    conditionings: Sequence[Sequence[Any]],
    net: ControlNet,
    image: Tensor,
    strength: float,
    start_percent: float = 0.0,
    end_percent: float = 1.0,
    *,
    for_all: bool = False,
    vae: Vae | None = None,
) -> list[list[Any]]:
    """Conditionings with one more control, behind those that they have; unchanged at strength 0.

    Entries with the same controls before share one afterwards, so that they can run in one batch.

    Args:
        image: the hint, [B,H,W,3].
        for_all: a sampler also puts it on its other conditionings that have none.
        vae: the model's, for a ControlNet that reads latents.
    """
    if strength == 0:
        return [list(conditioning) for conditioning in conditionings]
    made: dict[Control | None, Control] = {}

    def controlled(options: Mapping[str, Any]) -> dict[str, Any]:
        given = options.get("control")
        previous = given.control if isinstance(given, GivenControl) else given
        if previous not in made:
            made[previous] = Control(net, image, strength, start_percent, end_percent, previous, vae)
        return {**options, "control": made[previous], "control_apply_to_uncond": for_all}

    return [[[cond, controlled(options)] for cond, options in conditioning] for conditioning in conditionings]


class Base(Protocol):
    """A model to whose weights a ControlNet's may be the difference; a ModelPatcher is one."""

    network: PatchedNetwork
    kind: Kind


def load_controlnet(
    path: Path | Weights,
    *,
    device: torch.device | DeviceMemory,
    dtype: torch.dtype,
    base: Base | None = None,
    warn: Warn = python_warning,
    families: Sequence[Family] = FAMILIES,
) -> ControlNet:
    """Open a ControlNet in the original layout or in diffusers', under any prefix.

    Args:
        base: whose weights are added to those of a file that holds a difference; left alone for another file.

    Raises:
        CheckpointError: as load_checkpoint, or the file holds a difference and there is no base, or another family's.
    """
    with in_file(path, warn) as tell:
        file = renamed_controlnet(opened(path), families)
        kind, part = plan_controlnet(file.shapes, tell, families=families)
        weights: Mapping[str, Tensor] = {}
        if kind.is_difference:
            weights = _weights_below(base, part)

        def whole(name: str, stored: Tensor) -> Tensor:
            # In the file's number format, as ComfyUI adds them.
            return stored + weights[name].to(stored) if name in weights else stored

        fill(file, [part], {part.name: dtype}, whole)
    return ControlNet(PatchedNetwork(kind.opened(part.module), memory_of(device)), kind)


def plan_controlnet(
    shapes: FileShapes, warn: Warn = python_warning, *, families: Sequence[Family] = FAMILIES
) -> tuple[ControlKind, Part]:
    """What a ControlNet is and its network, still without weights; every key and shape is checked.

    Raises:
        CheckpointError: as load_controlnet; nothing of the file but keys and shapes is needed.
    """
    kind = recognise_controlnet(shapes, families=families)
    part = kind.part()
    check([part], {key: shape for key, shape in shapes.items() if key not in kind.marks}, warn)
    return kind, part


def _weights_below(base: Base | None, part: Part) -> dict[str, Tensor]:
    """The weights of a UNet, patches and all, that a ControlNet has as well."""
    if base is None:
        raise CheckpointError(
            "this file holds the difference between a ControlNet and the checkpoint it was trained on: load it with "
            "DiffControlNetLoader, which adds a model"
        )
    own = dict(part.module.named_parameters())
    weights: dict[str, Tensor] = dict(base.network.module().named_parameters())
    below = {name: weights[name] for name in own if name in weights}
    for name, weight in below.items():
        if weight.shape != own[name].shape:
            raise CheckpointError(
                f"the difference is to another model: {name!r} is {list(own[name].shape)} in the file and "
                f"{list(weight.shape)} in this {base.kind.title} model"
            )
    return below
