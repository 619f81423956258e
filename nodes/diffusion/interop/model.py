"""MODEL by ComfyUI's names: what packs ask a ModelPatcher beside its functions, and `model.model`, the network in it.

What Weft's networks do not have raises when it is set, and names itself: nothing that a pack puts on a model is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from weft.nodes.diffusion.interop import process
from weft.nodes.diffusion.interop.base_model import BaseModel
from weft.nodes.diffusion.interop.weights import MODEL_PREFIX, KeyPatch, keys_of, model_weights, not_carried
from weft.nodes.diffusion.interop.wrappers import (
    CallbacksMP,
    Function,
    call_back,
    check_callback,
    check_wrapper,
    of_kind,
)
from weft.nodes.diffusion.sampling.model_options import ModelOptions
from weft.nodes.diffusion.weights.packed import held_bytes

if TYPE_CHECKING:
    from weft.nodes.diffusion.families.latent_format import LatentFormat
    from weft.nodes.diffusion.families.protocol import Kind
    from weft.nodes.diffusion.sampling.denoiser import ModelSampling
    from weft.nodes.diffusion.weights.patched import PatchedNetwork

SAMPLING, FORMAT, NETWORK = "model_sampling", "latent_format", "diffusion_model"


class _ModelOf(BaseModel):
    """The network of a MODEL: a view, made anew each time, so that a change of it would be lost."""

    _patcher: ModelNames

    def __init__(self, patcher: ModelNames) -> None:
        super().__setattr__("_patcher", patcher)

    def __setattr__(self, name: str, value: Any) -> None:
        raise not_carried(f"another {name!r} of model.model")

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
        return held_bytes(self.network.base)

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
        return {
            key: tensor
            for key, tensor in model_weights(self.network, self.kind.names())
            if key.startswith(filter_prefix or "")
        }

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
        call_back(self, CallbacksMP.ON_PRE_RUN)

    def cleanup(self) -> None:
        """Call ON_CLEANUP."""
        call_back(self, CallbacksMP.ON_CLEANUP)

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
