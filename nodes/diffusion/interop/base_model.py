"""`model.model`: the network in a MODEL by ComfyUI's names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor, nn

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.interop import latent_formats, process
from weft.nodes.diffusion.interop.weights import model_weights

if TYPE_CHECKING:
    from weft.nodes.diffusion.families.latent_format import LatentFormat
    from weft.nodes.diffusion.families.protocol import Kind
    from weft.nodes.diffusion.sampling.denoiser import ModelSampling
    from weft.nodes.diffusion.weights.patched import PatchedNetwork


class ModelLike(Protocol):
    """What is asked of a MODEL; a ModelPatcher is one."""

    network: PatchedNetwork
    kind: Kind
    sampling: ModelSampling
    latent_format: LatentFormat

    @property
    def load_device(self) -> torch.device: ...

    def process_latent_in(self, latent: Tensor) -> Tensor: ...

    def process_latent_out(self, latent: Tensor) -> Tensor: ...


class ModelType(Enum):
    """What the output of a network means."""

    EPS = 1
    V_PREDICTION = 2
    V_PREDICTION_EDM = 3
    STABLE_CASCADE = 4
    EDM = 5
    FLOW = 6
    V_PREDICTION_CONTINUOUS = 7
    FLUX = 8
    IMG_TO_IMG = 9


_TYPES: Mapping[str, ModelType] = {
    "eps": ModelType.EPS,
    "lcm": ModelType.EPS,
    "x0": ModelType.EPS,
    "v": ModelType.V_PREDICTION,
    "edm": ModelType.EDM,
    "flow": ModelType.FLOW,
    "img_to_img": ModelType.IMG_TO_IMG,
}


class BaseModel:
    """`model.model`: the network of a MODEL by ComfyUI's names. Read it; what is to be changed goes to the MODEL."""

    @property
    def current_patcher(self) -> ModelLike:
        """The MODEL that it is the network of."""
        raise NotImplementedError

    @property
    def model_sampling(self) -> Any:
        """Its noise levels; see interop.process."""
        return process.shown(self.current_patcher.sampling)

    @property
    def latent_format(self) -> latent_formats.ComfyLatentFormat:
        """How it takes latents."""
        return latent_formats.shown(self.current_patcher.latent_format)

    @property
    def diffusion_model(self) -> nn.Module:
        """The network itself, its weights where it computes: a network of diffusers, not of ComfyUI's names."""
        return self.current_patcher.network.module()

    @property
    def kind(self) -> Kind:
        """What it is."""
        return self.current_patcher.kind

    @property
    def model_type(self) -> ModelType:
        """What its output means."""
        return _TYPES[self.current_patcher.sampling.prediction]

    @property
    def model_config(self) -> SimpleNamespace:
        """What its file says of it: unet_config, sampling_settings, latent_format."""
        config: Mapping[str, Any] = getattr(self.kind, "unet", {})
        unet = {
            "in_channels": config.get("in_channels"),
            "out_channels": config.get("out_channels"),
            "model_channels": (config.get("block_out_channels") or [None])[0],
            "context_dim": config.get("cross_attention_dim"),
            "use_linear_in_transformer": config.get("use_linear_projection"),
            "adm_in_channels": config.get("projection_class_embeddings_input_dim"),
            "num_res_blocks": config.get("layers_per_block"),
            "image_model": None,
        }
        return SimpleNamespace(unet_config=unet, sampling_settings={}, latent_format=self.latent_format)

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.current_patcher.load_device

    @property
    def adm_channels(self) -> int:
        """Numbers in the vector that it takes beside the text; 0 for none."""
        found = getattr(self.kind, "unet", {}).get("projection_class_embeddings_input_dim")
        return int(found or 0)

    def get_dtype(self) -> torch.dtype:
        """The number format of its weights."""
        return next(self.current_patcher.network.base.parameters()).dtype

    def process_latent_in(self, latent: Tensor) -> Tensor:
        """A latent as the network takes it."""
        return self.current_patcher.process_latent_in(latent)

    def process_latent_out(self, latent: Tensor) -> Tensor:
        """The inverse."""
        return self.current_patcher.process_latent_out(latent)

    def memory_required(self, input_shape: Sequence[int], cond_shapes: Mapping[str, Any] | None = None) -> float:
        """Bytes that an evaluation of this shape takes, roughly."""
        area = input_shape[0] * torch.Size(input_shape[2:]).numel()
        return float(area * self.get_dtype().itemsize / 50 * 1024 * 1024)

    def state_dict(self) -> dict[str, Tensor]:
        """Its weights by the keys of get_key_patches."""
        return dict(model_weights(self.current_patcher.network, self.kind.names()))

    def apply_model(
        self,
        x: Tensor,
        t: Tensor,
        c_concat: Tensor | None = None,
        c_crossattn: Tensor | None = None,
        control: Any = None,
        transformer_options: Mapping[str, Any] | None = None,
        **added: Any,
    ) -> Tensor:
        """The denoised prediction of x [N,C,h,w] at noise levels t [N], as a run's wrappers know it.

        added: what the network reads beside its context, by names of the family's own.
        """
        patcher = self.current_patcher
        denoiser = patcher.kind.denoiser(patcher.network.module(), patcher.sampling, patcher.latent_format)
        if c_crossattn is None:
            raise DiffusionError("apply_model needs c_crossattn, the context")
        given = {key: value for key, value in added.items() if isinstance(value, Tensor)}
        return denoiser(
            x, levels_of(t), c_crossattn, given or None, transformer_options or {}, concat=c_concat, control=control
        )


def levels_of(timestep: Tensor) -> Tensor:
    """Noise levels [N] on the CPU; 0-dim where all are one."""
    levels = timestep.detach().flatten().cpu().float()
    return levels[0] if bool((levels == levels[0]).all()) else levels
