"""A training run that can be stopped and taken up again: optimizer, moving average, state file, progress."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

# A trial of the whole chain (`make model-try`): few steps, few drawings, and all that is written goes into this folder.
TRIAL = os.environ.get("WEFT_TRIAL", "")
MODELS = Path(TRIAL or Path(__file__).parents[1])  # where checkpoints/, loras/ ... get what was trained
WORK = Path(TRIAL, "work") if TRIAL else Path("output/training")
SAVE_EVERY = 60.0  # seconds
REPORT_EVERY = 50  # steps


def scaled(count: int) -> int:
    """So many steps or drawings, or in a trial only a few of them."""
    return max(4, count // 500) if TRIAL else count


def device() -> str:
    """Where training computes."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def mixed_precision() -> torch.autocast:
    """Computes in bfloat16 where the processor has instructions for it; elsewhere that is far slower than float32."""
    if device() == "cuda":
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        fast = torch.cpu._is_avx512_bf16_supported()
    return torch.autocast(device(), torch.bfloat16, enabled=fast)


def join_others() -> tuple[int, int]:
    """Which of how many processes this is that train one model together: 0 of 1 unless torchrun started it."""
    if not dist.is_torchelastic_launched():
        return 0, 1
    dist.init_process_group("gloo")
    return dist.get_rank(), dist.get_world_size()


def meet_others() -> None:
    """Wait until every process that joined has come here."""
    if dist.is_initialized():
        dist.barrier()


def cosine(step: int, steps: int, *, warm: int = 50, last: float = 0.02) -> float:
    """Factor on the learning rate: up over `warm` steps, then down along half a cosine to `last`."""
    if step < warm:
        return (step + 1) / warm
    return last + (1 - last) * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` make the file under another name, then give it its own: it is never there half-written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        write(partial)
        partial.chmod(0o644)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def load(path: Path) -> dict[str, Any]:
    """What torch.save wrote, where training computes."""
    document: dict[str, Any] = torch.load(path, weights_only=True, map_location=device())
    return document


class Run:
    """One phase of training. Processes that joined share the mean of their gradients; the first keeps the state.

    Args:
        state: where the run is kept; a run found there is taken up where it stopped, a finished one does nothing.
        modules: what is trained, by name; a moving average of their weights is kept beside them.
        steps: how many there are; `rate` is the highest learning rate.
        decay: of the moving average.
    """

    def __init__(
        self, state: Path, modules: Mapping[str, nn.Module], *, steps: int, rate: float, decay: float = 0.998
    ) -> None:
        self.state, self.steps, self.rate, self.decay = state, steps, rate, decay
        self._parameters = {
            f"{name}/{inner}": parameter
            for name, module in modules.items()
            for inner, parameter in module.named_parameters()
            if parameter.requires_grad
        }
        self._optimizer = torch.optim.AdamW(self._parameters.values(), lr=rate, betas=(0.9, 0.99), weight_decay=1e-4)
        self.average = {name: parameter.detach().clone() for name, parameter in self._parameters.items()}
        self.step = 0
        self._first = not dist.is_initialized() or dist.get_rank() == 0
        self._losses: list[float] = []
        if state.is_file():
            self._resume(load(state))

    def __iter__(self) -> Iterator[int]:
        """The steps that are still to do; each must end in `update`."""
        saved = started = time.monotonic()
        first = self.step
        while self.step < self.steps:
            yield self.step
            self.step += 1
            now = time.monotonic()
            if self._first and (self.step % REPORT_EVERY == 0 or self.step == self.steps):
                loss = sum(self._losses) / len(self._losses)
                pace = (now - started) / (self.step - first)
                left = pace * (self.steps - self.step) / 60
                print(
                    f"{self.state.stem}: step {self.step}/{self.steps}, loss {loss:.4f}, {pace:.2f} s/step, "
                    f"{left:.0f} min left",
                    flush=True,
                )
                self._losses.clear()
            if now - saved > SAVE_EVERY or self.step == self.steps:
                self._save()
                saved = now

    def update(self, loss: Tensor) -> None:
        """One step of the optimizer down this loss."""
        for group in self._optimizer.param_groups:
            group["lr"] = self.rate * cosine(self.step, self.steps)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self._share_gradients()
        torch.nn.utils.clip_grad_norm_(self._parameters.values(), 1.0)
        self._optimizer.step()
        # A short memory at first: the random start is soon forgotten.
        weight = 1 - min(self.decay, (self.step + 1) / (self.step + 10))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.average.values()), list(self._parameters.values()), weight)
        self._losses.append(float(loss.detach()))

    def _share_gradients(self) -> None:
        if not dist.is_initialized():
            return
        gradients = [parameter.grad for parameter in self._parameters.values() if parameter.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        dist.all_reduce(flat)
        flat /= dist.get_world_size()
        for gradient, part in zip(gradients, flat.split([gradient.numel() for gradient in gradients]), strict=True):
            gradient.copy_(part.view_as(gradient))

    def finish(self) -> None:
        """Put the moving average in place of the trained weights."""
        with torch.no_grad():
            for name, parameter in self._parameters.items():
                parameter.copy_(self.average[name])

    def _save(self) -> None:
        if not self._first:
            return
        document = {
            "step": self.step,
            "weights": {name: parameter.detach() for name, parameter in self._parameters.items()},
            "average": self.average,
            "optimizer": self._optimizer.state_dict(),
        }
        write_atomically(self.state, lambda path: torch.save(document, path))

    def _resume(self, document: dict[str, Any]) -> None:
        self.step = document["step"]
        self._optimizer.load_state_dict(document["optimizer"])
        with torch.no_grad():
            for name, parameter in self._parameters.items():
                parameter.copy_(document["weights"][name])
                self.average[name].copy_(document["average"][name])
        print(f"{self.state.stem}: taken up at step {self.step}/{self.steps}", flush=True)
