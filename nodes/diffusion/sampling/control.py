"""ControlNets: pictures that steer a UNet's inner layers (Zhang et al. 2023, "Adding Conditional Control").

A ControlNet is a copy of the UNet's first half that also reads a picture, the hint; what it computes is added to the
UNet's skip connections. Semantics: parity/facts.md section 6; numbers: goldens cn_*.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from weft.nodes.diffusion.errors import CheckpointError, DiffusionError, Warn, python_warning
from weft.nodes.diffusion.families.known import CONTROL_OF_DIFFUSERS, foreign, not_a
from weft.nodes.diffusion.families.sd.keymaps import controlnet_keymap, diffusers_shapes, read_controlnet
from weft.nodes.diffusion.families.sd.keymaps.controlnet import DIFFERENCE, PREFIX
from weft.nodes.diffusion.families.sd.layouts import with_control_of_its_own
from weft.nodes.diffusion.families.sd.releases import completed, release_of, title_of
from weft.nodes.diffusion.sampling.conditions import to_batch
from weft.nodes.diffusion.values.pixels import LATENT_PIXELS, resize
from weft.nodes.diffusion.weights.landings import Landing, Shapes
from weft.nodes.diffusion.weights.networks import Part, build, check, fill, in_file, memory_of
from weft.nodes.diffusion.weights.patcher import PatchedNetwork
from weft.nodes.diffusion.weights.weightfile import WeightFile

if TYPE_CHECKING:
    from weft.nodes.diffusion.sampling.conditions import SamplingRun
    from weft.nodes.diffusion.weights.memory import DeviceMemory
    from weft.nodes.diffusion.weights.patcher import ModelPatcher

# The roles under which diffusers' UNet takes what a ControlNet gives.
_SKIPS, _MIDDLE = "down_block_additional_residuals", "mid_block_additional_residual"


@dataclass(frozen=True, eq=False)
class ControlNet:
    """The CONTROL_NET socket: a ControlNet as loaded.

    network: diffusers' ControlNetModel, whose hint is read beforehand (`reader`). family: whose UNets it fits.
    """

    network: PatchedNetwork
    family: str

    @property
    def memory_parts(self) -> Iterator[tuple[Hashable, int]]:
        """As PatchedNetwork.memory_parts."""
        return self.network.memory_parts


@dataclass(frozen=True, eq=False)
class Control:
    """What a conditioning carries under "control": a ControlNet, its hint and how much it acts when.

    hint: [B,H,W,3] in 0..1. start_percent, end_percent: shares of the way from noise to image, both ends included.
    previous: a control that acts as well.
    """

    net: ControlNet
    hint: Tensor
    strength: float = 1.0
    start_percent: float = 0.0
    end_percent: float = 1.0
    previous: Control | None = None
    # What the network read in the hint, by the latent's size: the same in every step and stage.
    _read: dict[Hashable, Tensor] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.net, ControlNet):
            raise DiffusionError(f"expected a ControlNet (as ControlNetLoader gives), got {type(self.net).__name__}")
        got = list(self.hint.shape) if isinstance(self.hint, Tensor) else type(self.hint).__name__
        if not isinstance(got, list) or len(got) != 4 or got[-1] != 3 or 0 in got:
            raise DiffusionError(f"a ControlNet's picture is [batch, height, width, 3], got {got}")

    @property
    def chain(self) -> tuple[Control, ...]:
        """This control and those before it, the first first."""
        return (*(self.previous.chain if self.previous else ()), self)

    @property
    def memory_parts(self) -> Iterator[tuple[Hashable, int]]:
        """What it keeps in memory, by what others may share."""
        for control in self.chain:
            yield id(control.hint), control.hint.nbytes
            yield id(control._read), sum(read.nbytes for read in control._read.values())
            yield from control.net.memory_parts

    def bind(self, run: SamplingRun) -> BoundControl:
        """It and those before it, for one run. Raises DiffusionError where one is made for another UNet."""
        return BoundControl([ActiveControl.of(control, run) for control in self.chain], run.shape[0])

    def read(self, module: nn.Module, height: int, width: int) -> Tensor:
        """What the network sees in the hint, [B,C,height,width] for a latent of this size, computed once."""
        weight = next(module.parameters())
        key = height, width, weight.device, weight.dtype
        if key not in self._read:
            size = width * LATENT_PIXELS, height * LATENT_PIXELS
            hint = resize(self.hint.movedim(-1, 1), *size, "nearest-exact", "center").to(weight)
            reader: Any = module.controlnet_cond_embedding
            self._read[key] = reader.reader(hint)
        return self._read[key]


@dataclass(frozen=True, eq=False)
class ActiveControl:
    """One control of a chain in one run: its network on the device, and the noise levels at which it acts."""

    control: Control
    module: nn.Module
    sigma_start: float
    sigma_end: float

    @classmethod
    def of(cls, control: Control, run: SamplingRun) -> ActiveControl:
        """Raises DiffusionError where the ControlNet is made for another UNet."""
        network = control.net.network
        _check_fit(network.base.config, run.denoiser.network.config, control.net.family)
        percent_to_sigma = run.denoiser.sampling.percent_to_sigma
        module = network.module()
        if network.memory is not None:
            run.held.enter_context(network.memory.on_device(module))
        return cls(control, module, percent_to_sigma(control.start_percent), percent_to_sigma(control.end_percent))

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
    ) -> dict[str, Any]:
        """What to give the UNet beside its own inputs, as keyword arguments; empty where no control acts.

        sample: [N,C,h,w] as the network takes it, without concatenated channels. The others as Denoiser's.
        """
        total: list[Tensor] = []
        for link in self._links:
            if link.acts(float(sigma)):
                parts = self._run(link, sample, timestep, context, added)
                total = [a + b for a, b in zip(total, parts, strict=True)] if total else parts
        if not total:
            return {}
        *skips, middle = (part.to(sample.dtype) for part in total)
        return {_SKIPS: tuple(skips), _MIDDLE: middle}

    def _run(
        self, link: ActiveControl, sample: Tensor, timestep: Tensor, context: Tensor, added: Mapping[str, Tensor] | None
    ) -> list[Tensor]:
        module: Any = link.module
        dtype = next(module.parameters()).dtype
        read = link.control.read(module, *sample.shape[-2:])
        if read.shape[0] > 1:
            read = to_batch(read, self._batch).repeat(sample.shape[0] // self._batch, 1, 1, 1)
        skips, middle = module(
            sample.to(dtype),
            timestep,
            encoder_hidden_states=context.to(dtype),
            controlnet_cond=read,
            conditioning_scale=link.control.strength,
            added_cond_kwargs=added,
            return_dict=False,
        )
        return [*skips, middle]


def with_control(
    conditionings: Sequence[Sequence[Any]],
    net: ControlNet,
    image: Tensor,
    strength: float,
    start_percent: float = 0.0,
    end_percent: float = 1.0,
    *,
    for_all: bool = False,
) -> list[list[Any]]:
    """Conditionings with one more control, behind those that they have; unchanged at strength 0.

    Entries with the same controls before share one afterwards, so that they can run in one batch.

    Args:
        image: the hint, [B,H,W,3].
        for_all: a sampler also puts it on its other conditionings that have none.
    """
    if strength == 0:
        return [list(conditioning) for conditioning in conditionings]
    made: dict[Control | None, Control] = {}

    def controlled(options: Mapping[str, Any]) -> dict[str, Any]:
        previous = options.get("control")
        if previous not in made:
            made[previous] = Control(net, image, strength, start_percent, end_percent, previous)
        return {**options, "control": made[previous], "control_apply_to_uncond": for_all}

    return [[[cond, controlled(options)] for cond, options in conditioning] for conditioning in conditionings]


def load_controlnet(
    path: Path,
    *,
    device: torch.device | DeviceMemory,
    dtype: torch.dtype,
    base: ModelPatcher | None = None,
    warn: Warn = python_warning,
) -> ControlNet:
    """Open a ControlNet in the original layout or in diffusers', under any prefix.

    Args:
        base: whose weights are added to those of a file that holds a difference; left alone for another file.

    Raises:
        CheckpointError: as load_checkpoint, or the file holds a difference and there is no base, or another family's.
    """
    with in_file(path, warn) as tell:
        file = with_control_of_its_own(WeightFile(path))
        family, part = plan_controlnet(file.shapes, tell)
        weights: Mapping[str, Tensor] = {}
        if DIFFERENCE in file.shapes:
            weights = _weights_below(base, part)

        def whole(name: str, stored: Tensor) -> Tensor:
            # In the file's number format, as ComfyUI adds them.
            return stored + weights[name].to(stored) if name in weights else stored

        fill(file, [part], {part.name: dtype}, whole)
    module: Any = part.module
    module.controlnet_cond_embedding = ReadHint(module.controlnet_cond_embedding)
    return ControlNet(PatchedNetwork(module, memory_of(device)), family)


def plan_controlnet(shapes: Mapping[str, tuple[int, ...]], warn: Warn = python_warning) -> tuple[str, Part]:
    """The family of a ControlNet's file and its network, still without weights; every key and shape is checked.

    Raises:
        CheckpointError: as load_controlnet; nothing of the file but keys and shapes is needed.
    """
    own = {key: tuple(shape) for key, shape in shapes.items() if key != DIFFERENCE}
    prefix = PREFIX if Shapes(own, PREFIX) else ""
    of_diffusers = CONTROL_OF_DIFFUSERS in own
    other = foreign(own)
    original = diffusers_shapes(own) if of_diffusers and not other else own
    if other or f"{prefix}input_hint_block.0.weight" not in original:
        raise CheckpointError(not_a("ControlNet", own))
    net = read_controlnet(Shapes(original, prefix))
    release = release_of(net)
    if release is None or net["in_channels"] != 4 or net["conditioning_channels"] != 3:
        got = f"{net['in_channels']} latent and {net['conditioning_channels']} image channels"
        raise CheckpointError(f"this ControlNet is of no known family: it reads {got}, and levels of {_widths(net)}")
    net = completed(net, release)
    names = controlnet_keymap(net)
    landings = {(new if of_diffusers else old): (Landing(new),) for old, new in names.items()}
    part = Part("controlnet", prefix, build("ControlNet", _controlnet, net), landings)
    check([part], own, warn)
    return release.name, part


class ReadHint(nn.Module):
    """Stands in a ControlNet where its hint is read: what comes in was read by `reader` already, once a run."""

    def __init__(self, reader: nn.Module) -> None:
        super().__init__()
        self.reader = reader

    def forward(self, read: Tensor) -> Tensor:
        """read: [B,C,h,w], what `reader` gave."""
        return read


def _controlnet(config: Mapping[str, Any]) -> nn.Module:
    from diffusers import ControlNetModel

    # diffusers does not say what its constructors take.
    return cast("Callable[..., nn.Module]", ControlNetModel)(**config)


def _weights_below(base: ModelPatcher | None, part: Part) -> dict[str, Tensor]:
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


def _check_fit(net: Any, unet: Any, family: str) -> None:
    def traits(config: Any) -> tuple[Any, ...]:
        return config.cross_attention_dim, tuple(config.block_out_channels), config.layers_per_block

    if traits(net) != traits(unet):
        raise DiffusionError(
            f"its ControlNet is for a {title_of(family)} model with {net.cross_attention_dim}-wide text and levels of "
            f"{_widths(net)}; this model has {unet.cross_attention_dim}-wide text and levels of {_widths(unet)}"
        )


def _widths(config: Any) -> list[int]:
    return list(config["block_out_channels"])
