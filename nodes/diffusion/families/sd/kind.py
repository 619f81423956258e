"""What a file of Stable Diffusion turns out to be: see protocol.Kind."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from weft.nodes.diffusion.families import working
from weft.nodes.diffusion.families.latent_format import LatentFormat
from weft.nodes.diffusion.families.protocol import LoraPlace, Places
from weft.nodes.diffusion.families.sd.denoiser import UNetDenoiser
from weft.nodes.diffusion.families.sd.encoder import SDTextEncoder
from weft.nodes.diffusion.families.sd.export import stored_model
from weft.nodes.diffusion.families.sd.keymaps import unet_keymap
from weft.nodes.diffusion.families.sd.keymaps.unet import PREFIX as UNET
from weft.nodes.diffusion.families.sd.keymaps.vae import PREFIX as VAE
from weft.nodes.diffusion.families.sd.lora_names import unet_names
from weft.nodes.diffusion.families.sd.networks import text_part, unet_part, vae_part
from weft.nodes.diffusion.families.sd.releases import (
    LATENT_CHANNELS,
    LATENT_PIXELS,
    PLAIN,
    V_PREDICTION,
    ZERO_SNR,
    TextEncoderSpec,
    title_of,
)
from weft.nodes.diffusion.families.sd.unet import PLACES
from weft.nodes.diffusion.families.sd.vae import SDVae
from weft.nodes.diffusion.sampling.denoiser import ModelSampling
from weft.nodes.diffusion.text.clip import Clip

if TYPE_CHECKING:
    from torch import nn

    from weft.nodes.diffusion.errors import Warn
    from weft.nodes.diffusion.families.protocol import FileShapes
    from weft.nodes.diffusion.text.mentions import EmbeddingLookup
    from weft.nodes.diffusion.values.vae import Vae
    from weft.nodes.diffusion.weights.networks import Part
    from weft.nodes.diffusion.weights.patched import PatchedNetwork
    from weft.nodes.diffusion.weights.weightfile import Exported, Weights


IGNORED: Mapping[str, str] = {
    r"((cond_stage_model|conditioner\.embedders\.0)\.transformer\.)?text_projection\.weight": "clip_l's is not used",
    r"embedder\..*": "the vision model of unCLIP, which unCLIPCheckpointLoader opens",
    r"noise_augmentor\..*": "the schedule of unCLIP's noise",
    V_PREDICTION: "a mark, read by recognise",
    ZERO_SNR: "a mark, read by recognise",
}


@dataclass(frozen=True)
class SDKind:
    """What the shapes say about a checkpoint, as data.

    unet, vae: keyword arguments of diffusers' UNet2DConditionModel and AutoencoderKL; no vae and no text_encoders
    where the file has none.
    latent_scale: what an encoded image is multiplied with before the UNet sees it.
    prediction: "eps" or "v"; of Lotus "img_to_img" or "x0".
    zero_snr: whether its schedule ends in pure noise (Lin et al. 2023).
    inputs: what the UNet reads beside the latent: PLAIN, INPAINT, EDIT or ESTIMATE.
    sizes: the numbers beside the pooled text in its vector; empty where it takes none.
    """

    name: str
    unet: Mapping[str, Any]
    text_encoders: tuple[TextEncoderSpec, ...]
    vae: Mapping[str, Any] | None
    latent_scale: float
    prediction: str
    zero_snr: bool = False
    inputs: str = PLAIN
    sizes: tuple[str, ...] = ()

    unrounded = frozenset[str]()
    looks_ahead: ClassVar[bool] = False

    @property
    def ignored(self) -> Mapping[str, str]:
        """See Kind."""
        return IGNORED

    @property
    def title(self) -> str:
        """See Kind."""
        return title_of(self.name)

    @property
    def latent_format(self) -> LatentFormat:
        """See Kind."""
        return LatentFormat(LATENT_CHANNELS, LATENT_PIXELS, self.latent_scale)

    @property
    def places(self) -> Places:
        """See Kind."""
        return PLACES._replace(channels=self.unet["block_out_channels"][0])

    @property
    def computing(self) -> working.WorkingRule:
        """See Kind."""
        return working.SD if self.unet["down_block_types"][:1] == ("CrossAttnDownBlock2D",) else working.SDXL

    def process(self) -> ModelSampling:
        """See Kind."""
        return ModelSampling.discrete(self.prediction, zero_snr=self.zero_snr)

    def alone(self) -> SDKind:
        """See Kind."""
        return replace(self, text_encoders=(), vae=None)

    def model_part(self) -> Part:
        """See Kind."""
        return unet_part(self.unet, UNET)

    def parts(self, shapes: FileShapes, warn: Warn) -> list[Part]:
        """See Kind."""
        vae = [] if self.vae is None else [SDVaeKind(self.vae, VAE).part(shapes, warn)]
        return [self.model_part(), *map(text_part, self.text_encoders), *vae]

    def denoiser(self, network: nn.Module, sampling: ModelSampling, latent_format: LatentFormat) -> UNetDenoiser:
        """See Kind."""
        return UNetDenoiser(network, sampling, latent_format, inputs=self.inputs, sizes=self.sizes)

    def open_clip(
        self, networks: Mapping[str, PatchedNetwork], embeddings: EmbeddingLookup | None, file: Weights
    ) -> Clip | None:
        """See Kind."""
        encoders = tuple(SDTextEncoder(spec.name, networks[spec.name], spec) for spec in self.text_encoders)
        return Clip(encoders, embeddings) if encoders else None

    def open_vae(self, networks: Mapping[str, PatchedNetwork]) -> SDVae | None:
        """See Kind."""
        return None if self.vae is None else SDVaeKind(self.vae, VAE).open(networks["vae"])

    def names(self) -> dict[str, str]:
        """See Kind."""
        return {new: old for old, new in unet_keymap(self.unet).items()}

    def keys(self) -> dict[str, str]:
        """See Kind."""
        return self.names()

    def wider(self, parameter: str, columns: int) -> None:
        """See Kind: what reads its latents is a convolution."""

    def keeping_references(self) -> None:
        """See Kind: it reads no pictures to edit."""

    def keeping_prefix(self, place: str, form: str) -> None:
        """See Kind."""

    @property
    def may_differ(self) -> frozenset[str]:
        """See Kind: an inpainting UNet reads more channels."""
        return frozenset({"conv_in.weight"})

    def lora_names(self, modules: Iterable[str]) -> Iterator[LoraPlace]:
        """See Kind."""
        names = self.names()
        for module in modules:
            original = names.get(f"{module}.weight")
            for name in unet_names(module, original and original.removesuffix(".weight")):
                yield LoraPlace(name, module)

    def exported(self, module: nn.Module, clip: Clip | None, vae: Vae | None, title: str) -> Exported:
        """See Kind."""
        return stored_model(self, module, clip, vae, title)


@dataclass(frozen=True)
class SDVaeKind:
    """See VaeKind. config: keyword arguments of AutoencoderKL. prefix: where its keys start in the file."""

    config: Mapping[str, Any]
    prefix: str = ""

    def part(self, shapes: FileShapes, warn: Warn) -> Part:
        """See VaeKind."""
        part = vae_part(self.config, self.prefix, shapes)
        for half in ("encoder", "decoder"):
            if getattr(part.module, half) is None:
                warn(f"its VAE has no {half}")
        return part

    def open(self, network: PatchedNetwork) -> SDVae:
        """See VaeKind."""
        downscale = 1 << (len(self.config["block_out_channels"]) - 1)
        return SDVae(network, latent_channels=self.config["latent_channels"], downscale=downscale)
