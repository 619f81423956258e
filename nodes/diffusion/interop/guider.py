"""GUIDER in ComfyUI's form: an object that samples with its model, whose methods packs replace.

sample -> outer_sample -> inner_sample -> the sampler -> the guider itself, called for each prediction -> predict_noise.
Packs subclass it, put wrappers around three of these, and give samplers of their own. What Weft samples by itself
(sampling.sample.solve) has the same numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.interop.base_model import BaseModel, levels_of
from weft.nodes.diffusion.interop.solving import ComfySampler
from weft.nodes.diffusion.interop.wrappers import WrapperExecutor, WrappersMP, wrappers_in
from weft.nodes.diffusion.sampling.conditions import Condition, SamplingRun, resolve_sides
from weft.nodes.diffusion.sampling.denoiser import ModelSampling
from weft.nodes.diffusion.sampling.guidance import GuidedNetwork
from weft.nodes.diffusion.sampling.hooked import HookedModel
from weft.nodes.diffusion.sampling.model_options import copied
from weft.nodes.diffusion.sampling.noise import PatchRandom
from weft.nodes.diffusion.values.masks import noise_mask_for

if TYPE_CHECKING:
    from weft.nodes.diffusion.sampling.guidance import Guidance
    from weft.nodes.diffusion.weights.patcher import ModelPatcher

# (step, denoised, x, total)
Callback = Callable[[int, Tensor, Tensor, int], Any]


class BaseGuider:
    """See the module. model_patcher: the MODEL. inner_model, conds: of the run that is on.

    original_conds: conditionings by side, as set; conds: the conditions that they became.
    """

    inner_model: BaseModel
    conds: dict[str, Any]

    def __init__(self, model_patcher: ModelPatcher) -> None:
        self.model_patcher = model_patcher
        self.model_options: dict[str, Any] = model_patcher.model_options
        self.original_conds: dict[str, Any] = {}

    @property
    def model(self) -> ModelPatcher:
        """The MODEL."""
        return self.model_patcher

    @property
    def sampling(self) -> ModelSampling:
        """The noise levels that the model was trained at."""
        return self.model_patcher.sampling

    def __call__(self, x: Tensor, timestep: Tensor, **options: Any) -> Tensor:
        """The guided prediction of x at noise levels [B]. options: model_options, seed."""
        return self.outer_predict_noise(x, timestep, **options)

    def outer_predict_noise(
        self, x: Tensor, timestep: Tensor, model_options: Mapping[str, Any] | None = None, seed: int | None = None
    ) -> Tensor:
        """predict_noise inside its wrappers."""
        options = {} if model_options is None else model_options
        predicted: Tensor = self._inside(WrappersMP.PREDICT_NOISE, self.predict_noise)(x, timestep, options, seed)
        return predicted

    def predict_noise(self, x: Tensor, timestep: Tensor, model_options: Any = None, seed: int | None = None) -> Tensor:
        """The guided prediction: despite its name of the noise-free latent."""
        raise NotImplementedError

    def sample(
        self,
        noise: Tensor,
        latent_image: Tensor,
        sampler: Any,
        sigmas: Tensor,
        denoise_mask: Tensor | None = None,
        callback: Callback | None = None,
        disable_pbar: bool = False,
        seed: int | None = None,
    ) -> Tensor:
        """The latent [B,C,h,w] sampled: float32 on the CPU, unscaled.

        Args:
            noise: what it starts from, of the latent's shape.
            sampler: a SAMPLER, Weft's or a pack's.
            sigmas: [n+1] for n steps; with fewer than 2 of them the latent comes back.
            denoise_mask: 1 where it is sampled, as the LATENT has it.

        Raises:
            DiffusionError: an input that does not fit, NaN or infinity.
        """
        if sigmas.shape[-1] == 0:
            return latent_image
        options, self.model_options = self.model_options, copied(self.model_options)
        self.conds = {side: [*(conditioning or ())] for side, conditioning in self.original_conds.items()}
        try:
            outer = self._inside(WrappersMP.OUTER_SAMPLE, self.outer_sample)
            sampled: Tensor = outer(noise, latent_image, sampler, sigmas, denoise_mask, callback, disable_pbar, seed)
        finally:
            self.model_options = options
        return sampled

    def outer_sample(
        self,
        noise: Tensor,
        latent_image: Tensor,
        sampler: Any,
        sigmas: Tensor,
        denoise_mask: Tensor | None = None,
        callback: Callback | None = None,
        disable_pbar: bool = False,
        seed: int | None = None,
        **_: Any,
    ) -> Tensor:
        """A run: the model on its device, and everything that it is given."""
        patcher = self.model_patcher
        latent_image = patcher.latent_format.filled(latent_image)
        if noise.shape != latent_image.shape:
            raise DiffusionError(f"the noise is {list(noise.shape)}, the latent {list(latent_image.shape)}")
        noise, latent_image = (patcher.latent_format.shaped(each.float()) for each in (noise, latent_image))
        patcher.pre_run()
        try:
            with ExitStack() as held:
                network = opened(
                    patcher,
                    held,
                    latent_image.shape,
                    options=self.model_options,
                    latent=latent_image,
                    noise_mask=denoise_mask,
                    sigmas=sigmas.cpu(),
                    seed=seed,
                )
                self.inner_model, device = network, network.run.device
                held.enter_context(torch.inference_mode())
                mask = None if denoise_mask is None else noise_mask_for(denoise_mask, latent_image).to(device)
                noise, levels = noise.to(device), sigmas.to(device)
                result = self.inner_sample(
                    noise, latent_image.to(device), device, sampler, levels, mask, callback, disable_pbar, seed
                )
                result = result.float().cpu()
                if not result.isfinite().all():
                    raise DiffusionError("the model gave NaN or infinity")
        finally:
            patcher.cleanup()
            self.conds = {}
        # A plain tensor: nodes downstream may write into it, which inference tensors forbid.
        return result.clone()

    def inner_sample(
        self,
        noise: Tensor,
        latent_image: Tensor,
        device: torch.device,
        sampler: Any,
        sigmas: Tensor,
        denoise_mask: Tensor | None,
        callback: Callback | None,
        disable_pbar: bool,
        seed: int | None,
        **_: Any,
    ) -> Tensor:
        """The conditions of the run, and the sampler over it."""
        latent_image = self.inner_model.process_latent_in(latent_image)
        self.conds = resolved(self._network, self.conds)
        extra_args = {"model_options": copied(self.model_options), "seed": seed}
        sample = as_sampler(sampler).sample
        around = self._inside(WrappersMP.SAMPLER_SAMPLE, sample)
        samples = around(self, sigmas, extra_args, callback, noise, latent_image, denoise_mask, disable_pbar)
        return self.inner_model.process_latent_out(samples.float())

    @property
    def _network(self) -> GuidedNetwork:
        if not isinstance(self.inner_model, GuidedNetwork):
            raise DiffusionError("this guider is in no run")
        return self.inner_model

    def _inside(self, kind: str, function: Callable[..., Any]) -> Callable[..., Any]:
        around = wrappers_in(self.model_options.get("transformer_options", {}), kind)
        return WrapperExecutor(function, self, around).execute if around else function


class GuidanceGuider(BaseGuider):
    """A GUIDER of Weft's in this form, for models with wrappers and for samplers of packs."""

    def __init__(self, model: ModelPatcher, guidance: Guidance) -> None:
        super().__init__(model)
        self._guidance = guidance
        self._guided: Any = None

    def inner_sample(self, *args: Any, **more: Any) -> Tensor:
        """See BaseGuider."""
        self._guided = self._guidance.bind(self._network.run)
        return super().inner_sample(*args, **more)

    def predict_noise(self, x: Tensor, timestep: Tensor, model_options: Any = None, seed: int | None = None) -> Tensor:
        """See BaseGuider."""
        # The guidance reads the options of its run, which are this guider's, at each prediction.
        given = dict(model_options or {})
        self.model_options.clear()
        self.model_options.update(given)
        predicted: Tensor = self._guided(x, levels_of(timestep))
        return predicted


def opened(
    patcher: ModelPatcher,
    held: ExitStack,
    shape: Sequence[int],
    *,
    options: Mapping[str, Any],
    latent: Tensor | None = None,
    noise_mask: Tensor | None = None,
    sigmas: Tensor | None = None,
    seed: int | None = None,
) -> GuidedNetwork:
    """The network of a model, on its device until `held` is closed: what predicts in a run.

    shape, latent: of what is sampled, the latent as nodes know it. The rest: as SamplingRun's; where a pack opens a run
    by itself, nobody has said.
    """
    # Realised outside inference_mode: patched weights outlive this run.
    network = patcher.network.module()
    denoiser = patcher.kind.denoiser(network, patcher.sampling, patcher.latent_format)
    if patcher.network.memory is not None:
        held.enter_context(patcher.network.memory.on_device(network))
    hooked = HookedModel(patcher, denoiser, [] if sigmas is None else sigmas)
    held.callback(hooked.close)
    run = SamplingRun(
        denoiser,
        tuple(shape),
        denoiser.device,
        latent=None if latent is None else patcher.process_latent_in(latent.to(denoiser.device)),
        noise_mask=noise_mask,
        held=held,
        options=options,
        sigmas=sigmas,
        random=PatchRandom(shape, seed) if seed is not None else None,
        hooked=hooked,
        model=patcher,
    )
    return GuidedNetwork(run)


def resolved(network: GuidedNetwork, conds: Mapping[str, Any]) -> dict[str, Any]:
    """The conditions that conditionings become in a run; those that are some already stay."""
    sides = {name: conditioning or [] for name, conditioning in conds.items()}
    if all(isinstance(entry, Condition) for side in sides.values() for entry in side):
        return sides
    return dict(zip(sides, resolve_sides(sides, network.run), strict=True))


def as_sampler(sampler: Any) -> ComfySampler:
    """A SAMPLER, Weft's or a pack's. Raises DiffusionError for something else."""
    if not hasattr(sampler, "sample"):
        raise DiffusionError(f"expected a sampler (as KSamplerSelect gives), got {type(sampler).__name__}")
    found: ComfySampler = sampler
    return found


def conditions_of(side: Any, network: GuidedNetwork, name: str) -> list[Condition]:
    """The conditions of a side: as they are, or made of a conditioning."""
    if side is None:
        return []
    if all(isinstance(entry, Condition) for entry in side):
        return list(side)
    return network.resolve(side, name)
