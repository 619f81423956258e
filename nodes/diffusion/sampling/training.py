"""LoRAs trained on latents: factors of low rank beside the weights of linear layers and convolutions.

The loss is that of Ho et al. 2020 ("Denoising Diffusion Probabilistic Models", eq. 14): at a noise level drawn from
those that the network was trained at, the difference between the noise that it tells and the one that was added (of a
flow, between velocities). Factors are float32 while they are trained. All is drawn from one generator.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from weft.nodes.diffusion.errors import DiffusionError, whole_number
from weft.nodes.diffusion.sampling.conditions import SamplingRun
from weft.nodes.diffusion.values.pixels import to_batch

if TYPE_CHECKING:
    from weft.nodes.diffusion.families.protocol import Denoiser, Fed
    from weft.nodes.diffusion.sampling.denoiser import ModelSampling
    from weft.nodes.diffusion.weights.patcher import ModelPatcher

OPTIMIZERS: Mapping[str, Callable[..., torch.optim.Optimizer]] = {
    "AdamW": torch.optim.AdamW,
    "Adam": torch.optim.Adam,
    "SGD": torch.optim.SGD,
    "RMSprop": torch.optim.RMSprop,
}
LOSSES: Mapping[str, Callable[..., Tensor]] = {
    "MSE": functional.mse_loss,
    "L1": functional.l1_loss,
    "Huber": functional.huber_loss,
    "SmoothL1": functional.smooth_l1_loss,
}
FORMATS = {"bf16": torch.bfloat16, "fp32": torch.float32}
PREFIX = "diffusion_model."
"""What stands before the names of a model's weights in a LoRA, as every loader knows it."""
# What a conditioning may carry that acts elsewhere than in the network itself: refused rather than lost.
_NOT_TRAINED = ("control", "area", "mask", "hooks", "gligen")

Factors = dict[str, Tensor]
Report = Callable[[int, int], None]


@dataclass(frozen=True)
class Training:
    """How a LoRA is trained.

    batch: latents in a call. accumulated: calls whose gradients make one step. optimizer, loss: keys of OPTIMIZERS and
    LOSSES. computes, kept: keys of FORMATS, of the network while it trains and of the factors in the end.
    """

    steps: int
    rank: int
    learning_rate: float
    seed: int = 0
    batch: int = 1
    accumulated: int = 1
    optimizer: str = "AdamW"
    loss: str = "MSE"
    computes: str = "bf16"
    kept: str = "bf16"


def train_lora(
    model: ModelPatcher,
    samples: Tensor,
    positive: Sequence[Any],
    training: Training,
    existing: Mapping[str, Tensor] | None = None,
    report: Report = lambda step, steps: None,
) -> tuple[Factors, list[float]]:
    """The factors of a LoRA by their keys in a file, and the loss of each step.

    Args:
        samples: latents [N,C,h,w], as a LATENT has them.
        positive: one prompt for all, or one for each latent.
        existing: the factors of a LoRA that is trained on.
        report: told of each step that is done; what it raises ends the training.

    Raises:
        DiffusionError: a model with functions on it, a prompt that carries more than a prompt, or factors that do not
            fit.
    """
    for name, value in {"steps": training.steps, "the rank": training.rank, "batch_size": training.batch}.items():
        whole_number(name, value, 1)
    if any(model.model_options["transformer_options"].values()) or len(model.model_options) > 1:
        raise DiffusionError("the model has functions put on it (FreeU, guidance, ...): train the one without them")
    network = model.network.in_format(FORMATS[training.computes])
    # Plain tensors even under inference_mode: what is trained needs its gradients.
    with torch.inference_mode(False), torch.enable_grad():
        base = network.module()
        generator = torch.Generator().manual_seed(training.seed)
        adapted = _Adapted(base, model, training.rank, existing, generator)
        denoiser = model.kind.denoiser(adapted.module, model.sampling, model.latent_format)
        latents = model.process_latent_in(samples.clone().to(denoiser.device, torch.float32))
        prompts = _prompts(positive, latents, denoiser)
        make: Any = OPTIMIZERS[training.optimizer]
        optimizer = make([each for pair in adapted.factors.values() for each in pair], lr=training.learning_rate)
        losses = []
        for step in range(training.steps):
            total = 0.0
            for _ in range(training.accumulated):
                adapted.join()
                loss = _loss(denoiser, latents, prompts, training, generator) / training.accumulated
                loss.backward()  # type: ignore[no-untyped-call]
                total += float(loss.detach())
            if not math.isfinite(total):
                raise DiffusionError(f"the loss of step {step + 1} is {total}: a smaller learning_rate may help")
            optimizer.step()
            optimizer.zero_grad()
            losses.append(total)
            report(step + 1, training.steps)
        return adapted.stored(FORMATS[training.kept]), losses


class _Adapted:
    """A twin of a network, of which each linear layer and convolution computes with its weight plus up @ down.

    factors: (up [O,rank], down [rank,I...]) by the name of the weight.
    """

    def __init__(
        self,
        base: nn.Module,
        model: ModelPatcher,
        rank: int,
        existing: Mapping[str, Tensor] | None,
        generator: torch.Generator,
    ) -> None:
        shared = {id(each): each for each in (*base.parameters(), *base.buffers())}
        self.module = copy.deepcopy(base, shared)
        self._names = {name: PREFIX + key.removesuffix(".weight") for name, key in model.kind.names().items()}
        self._weights: dict[str, tuple[nn.Module, Tensor]] = {}
        self.factors: dict[str, tuple[Tensor, Tensor]] = {}
        for path, layer in list(self.module.named_modules()):
            name = f"{path}.weight"
            if isinstance(layer, nn.Linear | nn.Conv2d) and name in self._names:
                weight = layer.weight.detach()
                del layer._parameters["weight"]
                self._weights[name] = layer, weight
                up, down = self._begun(name, weight, rank, existing, generator)
                self.factors[name] = (
                    up.to(weight.device, torch.float32).requires_grad_(),
                    down.to(weight.device, torch.float32).requires_grad_(),
                )

    def _begun(
        self,
        name: str,
        weight: Tensor,
        rank: int,
        existing: Mapping[str, Tensor] | None,
        generator: torch.Generator,
    ) -> tuple[Tensor, Tensor]:
        """The factors before the first step: of a new LoRA such that their product is 0 (Hu et al. 2021)."""
        if existing is not None:
            keys = [f"{self._names[name]}.lora_{role}.weight" for role in ("up", "down")]
            missing = next((key for key in keys if key not in existing), None)
            if missing is not None:
                raise DiffusionError(f"the LoRA to be trained on lacks {missing!r}: it is none that was trained here")
            up, down = (existing[key].clone() for key in keys)
            if (up.shape[0], *down.shape[1:]) != tuple(weight.shape) or up.shape[1] != down.shape[0]:
                raise DiffusionError(f"the LoRA to be trained on does not fit {name!r} of this model")
            return up.flatten(1), down
        down = torch.empty(rank, *weight.shape[1:])
        bound = 1.0 / math.sqrt(down[0].numel())
        return torch.zeros(weight.shape[0], rank), down.uniform_(-bound, bound, generator=generator)

    def join(self) -> None:
        """Give each layer the weight that its factors make now."""
        for name, (layer, weight) in self._weights.items():
            up, down = self.factors[name]
            change = (up @ down.flatten(1)).reshape(weight.shape)
            layer.__dict__["weight"] = weight + change.to(weight.dtype)

    def stored(self, form: torch.dtype) -> Factors:
        """The factors as a file has them."""
        kept: Factors = {}
        for name, (up, down) in self.factors.items():
            ones = (1,) * (down.dim() - 2)
            kept[f"{self._names[name]}.lora_up.weight"] = up.detach().reshape(*up.shape, *ones).to("cpu", form)
            kept[f"{self._names[name]}.lora_down.weight"] = down.detach().to("cpu", form)
        return kept


def _prompts(positive: Sequence[Any], latents: Tensor, denoiser: Denoiser) -> list[Fed]:
    """What the network reads beside each latent."""
    if len(positive) not in (1, len(latents)):
        raise DiffusionError(f"{len(positive)} prompts for {len(latents)} latents: expected one, or one for each")
    fed = []
    for context, options in positive:
        carried = next((name for name in _NOT_TRAINED if options.get(name) is not None), None)
        if carried is not None:
            raise DiffusionError(f"the prompt carries {carried!r}, with which nothing can be trained")
        run = SamplingRun(denoiser, tuple(latents.shape), latents.device, latent=latents)
        plain = {name: each.clone() if isinstance(each, Tensor) else each for name, each in options.items()}
        fed.append(denoiser.feed(context.clone(), plain, "positive", run))
    return fed if len(fed) == len(latents) else fed * len(latents)


def _loss(
    denoiser: Denoiser, latents: Tensor, prompts: Sequence[Fed], training: Training, generator: torch.Generator
) -> Tensor:
    """The loss of some of the latents, each at a noise level of its own."""
    sampling: ModelSampling = denoiser.sampling
    size = min(training.batch, len(latents))
    chosen = torch.randperm(len(latents), generator=generator)[:size].tolist()
    sigmas = sampling.sigmas[torch.randint(len(sampling.sigmas), (size,), generator=generator)]
    latent = latents[chosen]
    noise = torch.randn(latent.shape, generator=generator).to(latent.device)
    level = sigmas.to(latent.device).reshape(-1, *[1] * (latent.dim() - 1))
    x = sampling.noised(latent, noise, level)
    read = [prompts[place] for place in chosen]
    if len({each.context.shape[1] for each in read}) > 1:
        raise DiffusionError("prompts of several lengths do not fit into one batch: train with a batch_size of 1")
    context = torch.cat([to_batch(each.context, 1) for each in read])
    added = {name: torch.cat([to_batch(each.added[name], 1) for each in read]) for name in read[0].added}
    concat = [each.concat for each in read if each.concat is not None]
    denoised = denoiser(x, sigmas, context, added or None, concat=torch.cat(concat) if concat else None)
    return LOSSES[training.loss]((x - denoised) / level, (x - latent) / level)
