"""A second family, for tests: a small network of 16 channels and 16 pixels an element, of pictures or of videos.

It touches nothing but the protocol: what it can do, a family in a folder of its own can.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from weft.nodes.diffusion.errors import DiffusionError, Warn
from weft.nodes.diffusion.families.latent_format import LatentFormat
from weft.nodes.diffusion.families.protocol import Fed, FileShapes, LoraPlace, Places, Read
from weft.nodes.diffusion.families.working import UNKNOWN
from weft.nodes.diffusion.sampling.conditions import SamplingRun
from weft.nodes.diffusion.sampling.denoiser import ModelSampling
from weft.nodes.diffusion.text.clip import Clip, Conditioning
from weft.nodes.diffusion.values.vae import Vae
from weft.nodes.diffusion.weights.landings import Landing
from weft.nodes.diffusion.weights.networks import Part, build
from weft.nodes.diffusion.weights.patcher import PatchedNetwork
from weft.nodes.diffusion.weights.weightfile import Exported, Stored, Weights

CHANNELS, PIXELS, WIDTH = 16, 16, 6
PREFIX, VIDEO, FLOW = "toy.", "toy.clock", "toy.flow"


class Network(nn.Module):
    """x [N,C,(T,)h,w] element by element, moved by the mean of the context and scaled by guidance."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Linear(CHANNELS, CHANNELS, bias=False)
        self.text = nn.Linear(WIDTH, CHANNELS, bias=False)

    def forward(self, x: Tensor, timestep: Tensor, context: Tensor, guidance: Tensor) -> Tensor:
        """What is noise in x."""
        shift = self.text(context.mean(dim=1)) * guidance[:, None]
        mixed = self.mix(x.movedim(1, -1)).movedim(-1, 1)
        return torch.tanh(mixed + shift.reshape(*shift.shape, *[1] * (x.dim() - 2)))


class Halves(nn.Module):
    """The VAE: matrices between 3 colours and 16 channels."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Linear(3, CHANNELS, bias=False)
        self.decoder = nn.Linear(CHANNELS, 3, bias=False)


class ToyVae(Vae):
    """See Vae: an element is the mean of its pixels."""

    def __init__(self, network: PatchedNetwork) -> None:
        super().__init__(network, latent_channels=CHANNELS, downscale=PIXELS)

    def _encoder(self) -> Callable[[Tensor], Tensor]:
        module: Any = self.network.module()
        return torch.no_grad()(
            lambda images: module.encoder(nn.functional.avg_pool2d(images, PIXELS).movedim(1, -1)).movedim(-1, 1)
        )

    def _decoder(self) -> Callable[[Tensor], Tensor]:
        module: Any = self.network.module()
        return torch.no_grad()(
            lambda latents: nn.functional.interpolate(
                module.decoder(latents.movedim(1, -1)).movedim(-1, 1), scale_factor=PIXELS
            )
        )


class ToyClip(Clip):
    """See Clip: one row a letter, and no pooled output."""

    def __init__(self, table: PatchedNetwork) -> None:
        super().__init__(())
        self._table: Any = table.base

    def encode(self, text: str, warn: Any = None) -> Conditioning:
        """See Clip."""
        rows = torch.tensor([ord(letter) % self._table.num_embeddings for letter in text or " "])
        return [[self._table(rows).detach()[None], {}]]


class ToyDenoiser:
    """See Denoiser. Reads "guidance" of a conditioning, 1 where there is none."""

    context_repeats = 1
    noises_kept = True
    reads_references = False

    def __init__(self, network: nn.Module, sampling: ModelSampling, latent_format: LatentFormat) -> None:
        weight = next(network.parameters())
        self.network = network
        self.sampling = sampling
        self.latent_format = latent_format
        self.device, self.dtype = weight.device, weight.dtype

    def feed(self, context: Tensor, options: Mapping[str, Any], side: str, run: SamplingRun) -> Fed:
        """See Denoiser."""
        if context.shape[-1] != WIDTH:
            raise DiffusionError(f"its width is {context.shape[-1]}, this model takes {WIDTH}")
        guidance = torch.tensor([float(options.get("guidance", 1.0))], device=run.device)
        return Fed(context.to(run.device, self.dtype), {"guidance": guidance})

    def __call__(
        self,
        x: Tensor,
        sigma: Tensor,
        context: Tensor,
        added: Mapping[str, Tensor] | None = None,
        options: Mapping[str, Any] | None = None,
        *,
        concat: Tensor | None = None,
        control: Any = None,
    ) -> Tensor:
        """See Denoiser."""
        assert added is not None
        timestep = self.sampling.timestep(sigma).expand(len(x))
        output = self.network(self.sampling.scale_input(x, sigma), timestep, context, added["guidance"])
        return self.sampling.denoised(x, output, sigma)


def _part(name: str, prefix: str, make: Callable[[], nn.Module]) -> Part:
    module = build(name, lambda _: make(), None)
    return Part(name, prefix, module, {each: (Landing(each),) for each, _ in module.named_parameters()})


@dataclass(frozen=True)
class ToyVaeKind:
    """See VaeKind."""

    prefix: str = ""

    def part(self, shapes: FileShapes, warn: Warn) -> Part:
        """See VaeKind."""
        return _part("vae", self.prefix, Halves)

    def open(self, network: PatchedNetwork) -> Vae:
        """See VaeKind."""
        return ToyVae(network)


@dataclass(frozen=True)
class ToyKind:
    """See Kind. video: whether its latents have an axis of time. flow: whether it was trained on one."""

    video: bool
    flow: bool = False
    name: str = "toy"
    title: str = "Toy"

    looks_ahead: ClassVar[bool] = False
    may_differ = frozenset[str]()
    unrounded = frozenset[str]()
    computing = UNKNOWN

    @property
    def ignored(self) -> Mapping[str, str]:
        """See Kind."""
        return dict.fromkeys((r"toy\.clock", r"toy\.flow"), "a mark, read by recognise")

    @property
    def latent_format(self) -> LatentFormat:
        """See Kind."""
        ramp = tuple(0.1 * channel for channel in range(CHANNELS))
        return LatentFormat(CHANNELS, PIXELS, 0.5, ramp, (2.0,) * CHANNELS, frames=4 if self.video else 0)

    @property
    def places(self) -> Places:
        """See Kind: none."""
        return Places()

    def process(self) -> ModelSampling:
        """See Kind."""
        if self.flow:
            return ModelSampling.flow(shift=3.0)
        return ModelSampling.continuous("eps", sigma_min=0.01, sigma_max=20.0)

    def alone(self) -> ToyKind:
        """See Kind."""
        return self

    def keeping_references(self) -> None:
        """See Kind."""

    def keeping_prefix(self, place: str, form: str) -> None:
        """See Kind."""

    def wider(self, parameter: str, columns: int) -> None:
        """See Kind."""

    def model_part(self) -> Part:
        """See Kind."""
        return _part("toy", PREFIX, Network)

    def parts(self, shapes: FileShapes, warn: Warn) -> list[Part]:
        """See Kind."""
        letters = _part("letters", "toy_text.", lambda: nn.Embedding(32, WIDTH))
        return [self.model_part(), letters, ToyVaeKind("toy_vae.").part(shapes, warn)]

    def denoiser(self, network: nn.Module, sampling: ModelSampling, latent_format: LatentFormat) -> ToyDenoiser:
        """See Kind."""
        return ToyDenoiser(network, sampling, latent_format)

    def open_clip(self, networks: Mapping[str, PatchedNetwork], embeddings: Any, file: Any) -> Clip | None:
        """See Kind."""
        return ToyClip(networks["letters"])

    def open_vae(self, networks: Mapping[str, PatchedNetwork]) -> Vae | None:
        """See Kind."""
        return ToyVae(networks["vae"])

    def names(self) -> dict[str, str]:
        """See Kind."""
        return {name: name for name in self.model_part().landings}

    def keys(self) -> dict[str, str]:
        """See Kind."""
        return self.names()

    def lora_names(self, modules: Iterable[str]) -> Iterator[LoraPlace]:
        """See Kind."""
        return (LoraPlace(f"toy_model.{module}", module) for module in modules)

    def exported(self, module: nn.Module, clip: Clip | None, vae: Vae | None, title: str) -> Exported:
        """See Kind."""
        weights = {PREFIX + name: weight for name, weight in module.named_parameters()}
        if self.video:
            weights[VIDEO] = torch.ones(1)
        stored = {key: Stored(tuple(w.shape), w.dtype, lambda w=w: w) for key, w in weights.items()}  # type: ignore[misc]
        return Exported(stored, {"title": title})


class ToyFamily:
    """See Family."""

    title = "Toy"
    releases: Mapping[str, str] = {}
    clip_types = ("toy",)

    def claims(self, names: Iterable[str]) -> bool:
        """See Family."""
        return any(name.startswith(PREFIX) for name in names)

    def release_in(self, shapes: FileShapes) -> str:
        """See Family."""
        return self.title if self.claims(shapes) else ""

    def renamed(self, file: Weights) -> Weights:
        """See Family."""
        return file

    def recognise(self, shapes: FileShapes, metadata: Any = None, read: Read | None = None) -> ToyKind | None:
        """See Family."""
        return ToyKind(VIDEO in shapes, FLOW in shapes) if self.claims(shapes) else None

    def renamed_vae(self, file: Weights) -> Weights:
        """See Family."""
        return file

    def recognise_vae(self, shapes: FileShapes, metadata: Any = None) -> ToyVaeKind | None:
        """See Family."""
        return ToyVaeKind() if shapes.get("encoder.weight") == (CHANNELS, 3) else None

    def renamed_controlnet(self, file: Weights) -> Weights:
        """See Family."""
        return file

    def recognise_controlnet(self, shapes: FileShapes) -> None:
        """See Family: there are none."""

    def recognise_patch(self, shapes: FileShapes, read: Any = None) -> None:
        """See Family: there are none."""

    def glance_patch(self, shapes: FileShapes) -> None:
        """See Family: there are none."""

    def load_clip(self, paths: Sequence[Path], clip_type: str, **more: Any) -> Clip:
        """See Family."""
        raise DiffusionError("a toy's letters stand in its checkpoint alone")


def write(path: Path, *, video: bool, flow: bool = False, seed: int = 0) -> Path:
    """A checkpoint of this family, of random weights."""
    generator = torch.Generator().manual_seed(seed)
    networks = ((PREFIX, Network()), ("toy_text.", nn.Embedding(32, WIDTH)), ("toy_vae.", Halves()))
    shapes = {prefix + name: p.shape for prefix, module in networks for name, p in module.named_parameters()}
    tensors = {key: torch.randn(shape, generator=generator) * 0.3 for key, shape in shapes.items()}
    marks = {mark: torch.ones(1) for mark, there in ((VIDEO, video), (FLOW, flow)) if there}
    save_file({**tensors, **marks}, path)
    return path
