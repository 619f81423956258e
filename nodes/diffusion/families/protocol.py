"""What a family of networks is to everything outside its folder.

A Family recognises files. What it recognises in one is a Kind (of a diffusion model), or a VaeKind: values without
weights, which build the network on torch's meta device, say where each tensor of the file lands in it, and answer all
that loading, sampling, LoRAs, merges and saving ask. Nobody outside asks which family it is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from weft.nodes.diffusion.errors import Warn
    from weft.nodes.diffusion.families.glance import ModelGlance, PatchGlance, TextFile, TextGlance, TextSet, VaeGlance
    from weft.nodes.diffusion.families.latent_format import LatentFormat
    from weft.nodes.diffusion.families.model_patches import PatchKind
    from weft.nodes.diffusion.families.working import WorkingRule
    from weft.nodes.diffusion.sampling.denoiser import ModelSampling
    from weft.nodes.diffusion.text.clip import Clip
    from weft.nodes.diffusion.text.mentions import EmbeddingLookup
    from weft.nodes.diffusion.values.vae import Vae
    from weft.nodes.diffusion.weights.landings import Landing
    from weft.nodes.diffusion.weights.memory import DeviceMemory
    from weft.nodes.diffusion.weights.networks import Part
    from weft.nodes.diffusion.weights.patched import PatchedNetwork
    from weft.nodes.diffusion.weights.weightfile import Exported, Weights

FileShapes = Mapping[str, tuple[int, ...]]
# The numbers of a file's tensor, by its key.
Read = Callable[[str], "Tensor"]


class Places(NamedTuple):
    """Where the functions of transformer_options may step into a network, by ComfyUI's names for it.

    patched: keys of "patches". replaced: keys of "patches_replace". channels: of its outermost feature maps, by which
    some patches tell its levels apart; 0 for a network without levels. positions: whether "rope_options" scale and
    shift where its attention has patches.
    """

    patched: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()
    channels: int = 0
    positions: bool = False


class LoraPlace(NamedTuple):
    """Where a layer of a LoRA file goes: `name` in the file, `module` in the network.

    A layer of another form than the module's weight, or of several modules at once, has a place for each of them.
    landings: then of the weight that it is made for; at: of this module among them.
    """

    name: str
    module: str
    landings: tuple[Landing, ...] = ()
    at: int = 0


class Fed(NamedTuple):
    """What a network reads beside the latent for one condition: on its device and in its number format.

    context: [b,T,C], one row a token. added: [b,...] each, by names of the family's own. concat: [b,c,h,w] (or
    [b,c,T,h,w]) behind the latent's channels, at the latent's size, of which an area takes its part.
    """

    context: Tensor
    added: Mapping[str, Tensor]
    concat: Tensor | None = None


class LatentRun(Protocol):
    """What a family is told of the run that it feeds a network in; a SamplingRun is one."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Of its latent: [B,C,h,w] or [B,C,T,h,w]."""

    @property
    def device(self) -> torch.device:
        """Where the network is."""

    @property
    def latent(self) -> Tensor | None:
        """The latent that it starts from, as the network takes it."""

    @property
    def noise_mask(self) -> Tensor | None:
        """Where the latent may change, as the LATENT has it."""

    @property
    def seed(self) -> int:
        """Of its noise."""

    @property
    def sigmas(self) -> Tensor | None:
        """The noise levels that it passes; None where nobody says."""

    @property
    def warn(self) -> Warn:
        """Is told of what a conditioning carries and the network does not read."""


class Steering(Protocol):
    """What steers the inner layers of a network in one run; a BoundControl is one."""

    def residuals(
        self,
        sample: Tensor,
        timestep: Tensor,
        context: Tensor,
        added: Mapping[str, Tensor] | None,
        sigma: Tensor,
    ) -> list[Tensor | None]:
        """What is added to the inner layers, in the order of the family; empty where nothing acts at this noise level.

        None, or the end of the list, where nothing is added to a layer.

        sample: [N,C,h,w] as the network takes it, without concatenated channels. The others as Denoiser's.
        """


class Denoiser(Protocol):
    """The network of one run as sampling calls it: denoised = f(x, sigma, what it reads beside the latent).

    context_repeats: how often the tokens of a context may be repeated, so that contexts of several lengths run in one
    call; 1 where their order or number counts. dtype: of the network's weights.
    """

    network: nn.Module
    sampling: ModelSampling
    latent_format: LatentFormat
    device: torch.device
    dtype: torch.dtype
    context_repeats: int

    @property
    def reads_references(self) -> bool:
        """Whether it reads the pictures to edit of a conditioning, its reference_latents."""

    @property
    def noises_kept(self) -> bool:
        """Whether what a noise mask keeps is shown to the network with the noise of the level, not clean."""

    def feed(self, context: Tensor, options: Mapping[str, Any], side: str, run: LatentRun) -> Fed:
        """What the network reads for an entry [context, options] of a conditioning.

        Args:
            side: "positive", "negative", ...: what an error calls it, and what defaults depend on.

        Raises:
            DiffusionError: the entry does not fit the network.
        """

    def __call__(
        self,
        x: Tensor,
        sigma: Tensor,
        context: Tensor,
        added: Mapping[str, Tensor] | None = None,
        options: Mapping[str, Any] | None = None,
        *,
        concat: Tensor | None = None,
        control: Steering | None = None,
    ) -> Tensor:
        """Denoise x [N,C,h,w] or [N,C,T,h,w] (float32) at noise level sigma (CPU; 0-dim, or [N]: one for each item).

        context, added, concat: of a Fed, for N items. options: the transformer_options of this call. control: what
        steers the network's inner layers. Returns float32 of x's shape, on x's device.
        """


class Kind(Protocol):
    """What the diffusion model of a file is: how its networks are built, called and fed."""

    @property
    def name(self) -> str:
        """As "sdxl": models of one name can be merged, and share what is made for them."""

    @property
    def title(self) -> str:
        """How people call it, as "Stable Diffusion XL"."""

    @property
    def looks_ahead(self) -> bool:
        """Whether its network is told of noise levels beyond the one that it denoises."""

    @property
    def ignored(self) -> Mapping[str, str]:
        """Keys of its files that no network needs, as patterns of whole keys, and why; beside networks.IGNORED."""

    @property
    def latent_format(self) -> LatentFormat:
        """Channels and scale of its latents, and how many pixels and frames an element is."""

    @property
    def places(self) -> Places:
        """Where model patches may step into the network."""

    @property
    def computing(self) -> WorkingRule:
        """What computing with the network takes beside its weights."""

    def process(self) -> ModelSampling:
        """The noise levels that it was trained at, and what its output stands for."""

    def alone(self) -> Kind:
        """It without the text encoders and the VAE that a checkpoint has beside it."""

    def model_part(self) -> Part:
        """The network that denoises."""

    def parts(self, shapes: FileShapes, warn: Warn) -> Sequence[Part]:
        """All networks of a checkpoint with these tensors: model_part, the text encoders, and "vae"."""

    def denoiser(self, network: nn.Module, sampling: ModelSampling, latent_format: LatentFormat) -> Denoiser:
        """The network, its weights where it computes, as sampling calls it.

        sampling, latent_format: the kind's, or what a patch has put in their place.
        """

    def open_clip(
        self, networks: Mapping[str, PatchedNetwork], embeddings: EmbeddingLookup | None, file: Weights
    ) -> Clip | None:
        """The CLIP socket over the networks of `parts`, by their names; None where the file has no text encoder.

        file: of the checkpoint, which may hold a tokenizer.
        """

    def open_vae(self, networks: Mapping[str, PatchedNetwork]) -> Vae | None:
        """The VAE socket over the networks of `parts`; None where the file has no VAE."""

    def names(self) -> Mapping[str, str]:
        """A name of its own for each parameter: its key in a file, without the prefix, if it has one for itself."""

    def keys(self) -> Mapping[str, str]:
        """The key of the file in which each parameter stands, without the prefix: several may share one."""

    @property
    def may_differ(self) -> Collection[str]:
        """Parameters whose shapes differ between models of one name: a merge leaves those of the first as they are."""

    def wider(self, parameter: str, columns: int) -> Kind | None:
        """It where a LoRA has a parameter, the weight of a linear layer, read more: so many numbers in all.

        None where its files differ in no such way. Raises PatchError where they do, and none reads so many.
        """

    def keeping_references(self) -> Kind | None:
        """It as a model whose pictures to edit see nothing but themselves: what is read of them is kept over the steps.

        None where no model of its family was trained so.
        """

    def keeping_prefix(self, place: str, form: str) -> Kind | None:
        """It as a model that keeps what it reads of its prompt over the steps there, and in this form.

        None where the prompt is read anew in every step.
        """

    @property
    def unrounded(self) -> Collection[str]:
        """Parameters that UNETLoader's weight_dtype leaves as they are."""

    def lora_names(self, modules: Iterable[str]) -> Iterator[LoraPlace]:
        """Where the layers of a LoRA file go, for each name that it may give to a layer."""

    def exported(self, module: nn.Module, clip: Clip | None, vae: Vae | None, title: str) -> Exported:
        """What a checkpoint with this network, text encoders and VAE holds and says, title: that it is called.

        Raises:
            DiffusionError: text encoders of another family or width than the model's.
        """


class VaeKind(Protocol):
    """What the VAE of a file of its own is."""

    def part(self, shapes: FileShapes, warn: Warn) -> Part:
        """Its network; shapes: of the file, which may hold half of it."""

    def open(self, network: PatchedNetwork) -> Vae:
        """The VAE socket over it."""


class ControlKind(Protocol):
    """What the ControlNet of a file is: which models it fits, and how it is called."""

    @property
    def name(self) -> str:
        """As Kind.name, of the models that it was made for."""

    @property
    def marks(self) -> Collection[str]:
        """Keys of its files that hold no weights."""

    @property
    def is_difference(self) -> bool:
        """Whether the file holds what is to be added to the weights of a model, of the same names."""

    @property
    def tasks(self) -> Sequence[str]:
        """The kinds of pictures that it can be told to see; none for one that sees a single kind."""

    def for_task(self, name: str) -> ControlKind:
        """It, told that it sees pictures of this kind. Raises DiffusionError for one that it does not know."""

    @property
    def encoded(self) -> bool:
        """Whether it reads the picture as the model's VAE encodes it."""

    @property
    def hint_multiple(self) -> int:
        """The sides of the picture that it reads are multiples of this many pixels."""

    def part(self) -> Part:
        """Its network."""

    def opened(self, module: nn.Module) -> nn.Module:
        """The network with its weights, made ready for `read` and `run`."""

    def check_fit(self, module: nn.Module, denoiser: Denoiser) -> None:
        """Raise DiffusionError where it was made for models of another family or size."""

    def joined(self, module: nn.Module, denoiser: Denoiser, memory: DeviceMemory | None = None) -> nn.Module:
        """The network that runs beside a denoiser which it fits: itself, or made of the denoiser's weights and its own.

        memory: makes room for what is made. Raises DiffusionError where they cannot be joined. No weight of either is
        changed.
        """

    def read(self, module: nn.Module, hint: Tensor) -> tuple[Tensor, ...]:
        """What the network sees in a picture [B,3,H,W] of 0..1, once for all steps: [B,...] each.

        H, W: the latent's size in pixels, up to the next `hint_multiple`. Where it is `encoded`, a latent [B,C,h,w] as
        the VAE gives it.
        """

    def run(
        self,
        module: nn.Module,
        sample: Tensor,
        timestep: Tensor,
        context: Tensor,
        added: Mapping[str, Tensor] | None,
        read: Sequence[Tensor],
        strength: float,
    ) -> list[Tensor | None]:
        """What is added to the inner layers of a network of the family, in an order of its own; see Steering.

        sample, timestep, context, added: as the network that is steered gets them. read: of `read`, for one item or N.
        """


class Family(Protocol):
    """How the files of a family are recognised. Its module does not import torch."""

    @property
    def title(self) -> str:
        """How people call the models of this family, as "Stable Diffusion 1.x, 2.x and XL"."""

    @property
    def releases(self) -> Mapping[str, str]:
        """Its releases, as `release_meant` and `small_file` name them, and how people call each."""

    @property
    def clip_types(self) -> Mapping[str, Sequence[TextSet]]:
        """What `load_clip` opens: by ComfyUI's name for it, the sets of text encoders that it may be."""

    def claims(self, names: Iterable[str]) -> bool:
        """Whether a file with these keys may hold a part of this family, or a LoRA for it. Without torch."""

    def release_in(self, shapes: FileShapes) -> str:
        """The release of a file's diffusion model, as people call it; empty for one without. Without torch.

        Raises:
            CheckpointError: it is this family's, and not supported or not whole.
        """

    def glance(self, shapes: FileShapes) -> ModelGlance | None:
        """What a file's diffusion model is, as far as its header says; None for another family's. Without torch.

        Raises:
            CheckpointError: it is not supported or not whole.
        """

    def glance_vae(self, shapes: FileShapes) -> VaeGlance | None:
        """As `glance`, of a VAE in a file of its own."""

    def glance_clip(self, clip_type: str, encoders: Sequence[TextFile]) -> TextGlance:
        """What a set of text encoders of a type writes. Without torch."""

    def renamed(self, file: Weights) -> Weights:
        """The file with its keys as a checkpoint of this family has them; itself where it has no model of this one."""

    def recognise(
        self, shapes: FileShapes, metadata: Mapping[str, str] | None = None, read: Read | None = None
    ) -> Kind | None:
        """What the diffusion model of a file is, its keys as `renamed` gives them; None where it is another family's.

        Args:
            metadata: what the file says about itself. read: gives numbers, where no shape tells.

        Raises:
            CheckpointError: it is this family's, and not supported or not whole.
        """

    def renamed_vae(self, file: Weights) -> Weights:
        """The VAE in the file with its keys as a file of their own has them; the file itself without one."""

    def recognise_vae(self, shapes: FileShapes, metadata: Mapping[str, str] | None = None) -> VaeKind | None:
        """As `recognise`, of a VAE in a file of its own."""

    def renamed_controlnet(self, file: Weights) -> Weights:
        """The ControlNet in the file, without a prefix; the file itself without one."""

    def recognise_controlnet(self, shapes: FileShapes) -> ControlKind | None:
        """As `recognise`, of a ControlNet."""

    def recognise_patch(self, shapes: FileShapes, read: Read | None = None) -> PatchKind | None:
        """As `recognise`, of a model patch."""

    def glance_patch(self, shapes: FileShapes) -> PatchGlance | None:
        """As `glance`, of a model patch; None, too, for one that is not supported or not whole."""

    def release_meant(self, name: str) -> str:
        """The release that a file is of by its name, as people call their files; empty for one of another family."""

    def small_file(self, kind: str, name: str, release: str, base: Path) -> dict[str, Tensor] | None:
        """The tensors of a small file that stands in for the file of this name; None where there is none.

        kind: the folder that the file is in (`checkpoints`, `vae`, ...). release: of the models it is used with. base:
        a small checkpoint that draws, for whatever release it is.
        """

    def load_clip(
        self,
        paths: Sequence[Path],
        clip_type: str,
        *,
        memory: DeviceMemory,
        dtype: torch.dtype,
        embeddings: EmbeddingLookup | None,
        warn: Warn,
    ) -> Clip:
        """Open text encoders in files of their own, in any order; arguments and errors as checkpoint.load_clip."""
