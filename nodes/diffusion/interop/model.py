"""MODEL by ComfyUI's names: what packs ask a ModelPatcher beside its functions, and `model.model`, the network in it.

What Weft's networks do not have raises when it is set, and names itself: nothing that a pack puts on a model is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import Enum
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.interop import latent_formats, process
from weft.nodes.diffusion.interop.weights import MODEL_PREFIX, KeyPatch, keys_of, not_carried
from weft.nodes.diffusion.interop.wrappers import CallbacksMP, Function, check_callback, check_wrapper, of_kind
from weft.nodes.diffusion.sampling.model_options import ModelOptions

if TYPE_CHECKING:
    from weft.nodes.diffusion.families.latent_format import LatentFormat
    from weft.nodes.diffusion.families.protocol import Kind
    from weft.nodes.diffusion.sampling.denoiser import ModelSampling
    from weft.nodes.diffusion.weights.patched import PatchedNetwork

SAMPLING, FORMAT, NETWORK = "model_sampling", "latent_format", "diffusion_model"


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
    def current_patcher(self) -> ModelNames:
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
        return dict(_weights(self.current_patcher))

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


class _ModelOf(BaseModel):
    """The network of a MODEL."""

    def __init__(self, patcher: ModelNames) -> None:
        self._patcher = patcher

    @property
    def current_patcher(self) -> ModelNames:
        """See BaseModel."""
        return self._patcher


class ModelNames(ModelOptions):
    """ComfyUI's names of a MODEL; ModelPatcher has what they stand for."""

    network: PatchedNetwork
    kind: Kind
    sampling: ModelSampling
    latent_format: LatentFormat
    attachments: dict[str, Any]
    additional_models: dict[str, list[Any]]

    def process_latent_in(self, latent: Tensor) -> Tensor:
        """A latent as the network takes it."""
        return self.latent_format.to_network(latent)

    def process_latent_out(self, latent: Tensor) -> Tensor:
        """The inverse."""
        return self.latent_format.from_network(latent)

    # -- what it is

    @property
    def model(self) -> BaseModel:
        """The network in it."""
        return _ModelOf(self)

    @property
    def load_device(self) -> torch.device:
        """Where the network computes."""
        memory = self.network.memory
        return memory.device if memory is not None else next(self.network.base.parameters()).device

    @property
    def offload_device(self) -> torch.device:
        """Where its weights wait."""
        return torch.device("cpu")

    def current_loaded_device(self) -> torch.device:
        """Where its weights are now."""
        return next(self.network.base.parameters()).device

    def model_size(self) -> int:
        """Bytes of the network's weights."""
        return sum(parameter.nbytes for parameter in self.network.base.parameters())

    def loaded_size(self) -> int:
        """Bytes of it on the device."""
        return sum(each.nbytes for each in self.network.base.parameters() if each.device == self.load_device)

    @property
    def size(self) -> int:
        """See model_size."""
        return self.model_size()

    def model_dtype(self) -> torch.dtype:
        """The number format of its weights."""
        return self.model.get_dtype()

    def memory_required(self, input_shape: Sequence[int]) -> float:
        """See BaseModel."""
        return self.model.memory_required(input_shape)

    def is_clone(self, other: Any) -> bool:
        """Whether both are over the same weights."""
        network = getattr(other, "network", None)
        return network is not None and getattr(network, "base", None) is self.network.base

    def clone_has_same_weights(self, clone: Any) -> bool:
        """Whether both compute with the same weights, patches and all."""
        return self.is_clone(clone) and clone.network.identity == self.network.identity

    @property
    def patches_uuid(self) -> int:
        """Equal for equal patches."""
        return hash(self.network.identity)

    # -- objects of the model

    @property
    def object_patches(self) -> dict[str, Any]:
        """What stands in place of an object of the model."""
        given = self.sampling
        return {SAMPLING: given.given} if isinstance(given, process.GivenSampling) else {}

    def add_object_patch(self, name: str, obj: Any) -> None:
        """Put an object in place of one of the model: model_sampling.

        Raises:
            DiffusionError: any other, whose calls would not come to it.
        """
        if name != SAMPLING:
            raise not_carried(f"a patch on the model's {name!r} (only that on {SAMPLING!r} can)")
        self.sampling = process.taken(obj)

    def get_model_object(self, name: str) -> Any:
        """An object of the model: model_sampling, latent_format, diffusion_model, or one that network has.

        Raises:
            DiffusionError: it has none of that name.
        """
        inner = self.model
        if name in (SAMPLING, FORMAT, NETWORK):
            return getattr(inner, name)
        found: Any = inner
        for part in name.split("."):
            if not hasattr(found, part):
                raise not_carried(f"the model's {name!r}")
            found = getattr(found, part)
        return found

    # -- weights

    def get_key_patches(self, filter_prefix: str | None = None) -> dict[str, KeyPatch]:
        """The parameters with their patches, by key: for add_patches of another model."""
        keys = keys_of(self.kind.names())
        return {key: KeyPatch(self.network, keys[key]) for key in keys if key.startswith(filter_prefix or "")}

    def model_state_dict(self, filter_prefix: str | None = None) -> dict[str, Tensor]:
        """The weights without patches, by key."""
        return {key: tensor for key, tensor in _weights(self) if key.startswith(filter_prefix or "")}

    @property
    def patches(self) -> dict[str, Any]:
        """The patches on it, by key."""
        names = self.kind.names() if self.network.patches else {}
        return {MODEL_PREFIX + names[name]: list(pairs) for name, pairs in self.network.patches.items()}

    def patch_model(self, *args: Any, **options: Any) -> BaseModel:
        """The network; its weights are patched when they are asked for."""
        return self.model

    def unpatch_model(self, *args: Any, **options: Any) -> None:
        """Nothing: patches never touch the weights of others."""

    def model_patches_to(self, device: Any) -> None:
        """Nothing: what a function holds, it moves itself."""

    def model_patches_models(self) -> list[Any]:
        """None."""
        return []

    # -- wrappers, callbacks, and what travels with it

    def add_wrapper(self, wrapper_type: str, wrapper: Function) -> None:
        """See add_wrapper_with_key."""
        self.add_wrapper_with_key(wrapper_type, None, wrapper)

    def add_wrapper_with_key(self, wrapper_type: str, key: str | None, wrapper: Function) -> None:
        """Put a function around one of a run's calls, inside those that are there; see interop.wrappers.

        Raises:
            DiffusionError: one that nothing here would call.
        """
        check_wrapper(wrapper_type)
        self._add("wrappers", wrapper_type, key, wrapper)

    def remove_wrappers_with_key(self, wrapper_type: str, key: str) -> None:
        """Take those of a key away."""
        self.wrappers.get(wrapper_type, {}).pop(key, None)

    def get_wrappers(self, wrapper_type: str, key: str | None) -> list[Function]:
        """Those of a key."""
        return list(self.wrappers.get(wrapper_type, {}).get(key, ()))

    def get_all_wrappers(self, wrapper_type: str) -> list[Function]:
        """Those of all keys."""
        return of_kind(self.wrappers, wrapper_type)

    def add_callback(self, call_type: str, callback: Function) -> None:
        """See add_callback_with_key."""
        self.add_callback_with_key(call_type, None, callback)

    def add_callback_with_key(self, call_type: str, key: str | None, callback: Function) -> None:
        """Have a function called on the way of the model; see interop.wrappers.

        Raises:
            DiffusionError: one that nothing here would call.
        """
        check_callback(call_type)
        self._add("callbacks", call_type, key, callback)

    def remove_callbacks_with_key(self, call_type: str, key: str) -> None:
        """Take those of a key away."""
        self.callbacks.get(call_type, {}).pop(key, None)

    def get_callbacks(self, call_type: str, key: str | None) -> list[Function]:
        """Those of a key."""
        return list(self.callbacks.get(call_type, {}).get(key, ()))

    def get_all_callbacks(self, call_type: str) -> list[Function]:
        """Those of all keys."""
        return of_kind(self.callbacks, call_type)

    @property
    def wrappers(self) -> dict[str, dict[Any, list[Function]]]:
        """kind -> key -> functions."""
        found: dict[str, dict[Any, list[Function]]] = self._inner.get("wrappers", {})
        return found

    @property
    def callbacks(self) -> dict[str, dict[Any, list[Function]]]:
        """kind -> key -> functions."""
        found: dict[str, dict[Any, list[Function]]] = self._inner.get("callbacks", {})
        return found

    def set_attachments(self, key: str, attachment: Any) -> None:
        """Something that travels with the model."""
        self.attachments[key] = attachment

    def get_attachment(self, key: str) -> Any:
        """What was set, or None."""
        return self.attachments.get(key)

    def remove_attachments(self, key: str) -> None:
        """Take it away."""
        self.attachments.pop(key, None)

    def set_additional_models(self, key: str, models: Sequence[Any]) -> None:
        """Models that functions on this one use; they come to the device when they are asked for."""
        self.additional_models[key] = list(models)

    def get_additional_models_with_key(self, key: str) -> list[Any]:
        """Those of a key."""
        return list(self.additional_models.get(key, ()))

    def get_additional_models(self) -> list[Any]:
        """Those of all keys."""
        return [model for models in self.additional_models.values() for model in models]

    def remove_additional_models(self, key: str) -> None:
        """Take those of a key away."""
        self.additional_models.pop(key, None)

    def pre_run(self) -> None:
        """Call ON_PRE_RUN."""
        for callback in self.get_all_callbacks(CallbacksMP.ON_PRE_RUN):
            callback(self)

    def cleanup(self) -> None:
        """Call ON_CLEANUP."""
        for callback in self.get_all_callbacks(CallbacksMP.ON_CLEANUP):
            callback(self)

    def _add(self, table: str, kind: str, key: Any, function: Function) -> None:
        functions = self._inner.setdefault(table, {}).setdefault(kind, {})
        functions[key] = [*functions.get(key, ()), function]

    def _cloned(self, clone: Any) -> None:
        """Give a clone what travels with this, and call ON_CLONE."""
        clone.additional_models = {key: list(models) for key, models in self.additional_models.items()}
        for key, attached in self.attachments.items():
            copy: Callable[..., Any] | None = getattr(attached, "on_model_patcher_clone", None)
            clone.attachments[key] = attached if copy is None else copy()
        for callback in self.get_all_callbacks(CallbacksMP.ON_CLONE):
            callback(self, clone)

    def __getattr__(self, name: str) -> Any:
        # An AttributeError, so that hasattr tells the truth; its words are for who calls it all the same.
        if name.startswith(("set_model_", "set_injections", "inject_model", "eject_model", "add_weight_wrapper")):
            raise AttributeError(f"MODEL.{name}: this cannot be carried here: the network is not ComfyUI's")
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")


def _weights(patcher: ModelNames) -> Iterator[tuple[str, Tensor]]:
    """(key, weight without patches) of a model's network."""
    for key, name in keys_of(patcher.kind.names()).items():
        yield key, patcher.network.base.get_parameter(name)
