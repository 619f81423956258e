"""A step of the full-size SD 1.5 UNet and a VAE decode on a CPU: Weft's convolutions against torch's, and the limit.

    OMP_NUM_THREADS=1 python benchmarks/cpu.py [--latents 16 32 64] [--dtype bfloat16] [--turns N] [--json]

Of random weights (3.4 GB in float32, 1.7 in bfloat16), two latents at once as with a cfg. Weft's networks are run as
they are and with nn.Conv2d's own way to compute in the place of Weft's, in turns in one process; seconds are of CPU.
Of each size:

- torch, weft: the medians; and the median of the turns' ratios, with the least and the greatest.
- floor: the operations of matrices in it, counted on the meta device, at the rate of one large matrix product of the
  same run. Nothing that multiplies matrices is faster, and reading the weights from memory is not in it.
- error: the greatest difference between the two, relative to the greatest number.

The VAE decodes latents of the sizes in --decode, in float32 (in bfloat16 with --dtype). Exit code 1 where Weft's way
is slower at a size by more than 5 %, or differs by more than rounding.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT)]

import torch  # noqa: E402
from torch import Tensor, nn  # noqa: E402

from weft.nodes.diffusion.families import recognise  # noqa: E402
from weft.nodes.diffusion.weights.convolution import Convolution  # noqa: E402

ROUNDING = {torch.float32: 1e-5, torch.bfloat16: 0.1}
SLOWER = 1.05


def networks() -> dict[str, nn.Module]:
    """The UNet and the VAE of SD 1.5 at their released sizes, on the meta device."""
    from tests.diffusion.released import checkpoint

    shapes = checkpoint("sd1")
    kind: Any = recognise(shapes)
    return {part.name: part.module for part in kind.parts(shapes, print) if part.name in ("unet", "vae")}


def filled(network: nn.Module, dtype: torch.dtype) -> nn.Module:
    """With random weights that keep the size of what passes through them."""
    for module in network.modules():
        for name, parameter in module._parameters.items():
            if parameter is not None:
                made = torch.empty(parameter.shape, dtype=dtype)
                if parameter.dim() > 1:
                    made.normal_(0, (0.5 / parameter[0].numel()) ** 0.5)
                else:
                    made.fill_(float(name == "weight"))
                module._parameters[name] = nn.Parameter(made, requires_grad=False)
    return network


@contextmanager
def torchs_own() -> Iterator[None]:
    """Convolutions as nn.Conv2d computes them."""
    way = Convolution._conv_forward
    Convolution._conv_forward = nn.Conv2d._conv_forward  # type: ignore[method-assign]
    try:
        yield
    finally:
        Convolution._conv_forward = way  # type: ignore[method-assign]


def cpu_seconds(call: Callable[[], Tensor]) -> tuple[float, Tensor]:
    started = time.process_time()
    made = call()
    return time.process_time() - started, made


def rate(dtype: torch.dtype) -> float:
    """Floating point operations in a second of CPU, of a large matrix product."""
    side = 2048 if dtype is torch.float32 else 4096
    left, right = (torch.randn(side, side).to(dtype) for _ in range(2))
    return 2 * side**3 / min(cpu_seconds(lambda: left @ right)[0] for _ in range(4))


def operations(network: nn.Module, call: Callable[[nn.Module, str], Tensor]) -> float:
    """Floating point operations in the matrices of a call; the network is on the meta device."""
    from torch.utils.flop_counter import FlopCounterMode

    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        call(network, "meta")
    return float(counter.get_total_flops())


def step(size: int, dtype: torch.dtype) -> Callable[[nn.Module, str], Tensor]:
    """A step of a UNet at a size of latent."""

    def call(network: Any, device: str) -> Tensor:
        torch.manual_seed(size)
        latent, text = (torch.randn(shape).to(device, dtype) for shape in ((2, 4, size, size), (2, 77, 768)))
        made: Tensor = network(latent, torch.full((2,), 500.0, device=device), text, return_dict=False)[0]
        return made

    return call


def decode(size: int, dtype: torch.dtype) -> Callable[[nn.Module, str], Tensor]:
    """A latent of a size to a picture."""

    def call(network: Any, device: str) -> Tensor:
        torch.manual_seed(size)
        made: Tensor = network.decode(torch.randn(1, 4, size, size).to(device, dtype), return_dict=False)[0]
        return made

    return call


def compared(network: nn.Module, call: Callable[[nn.Module, str], Tensor], turns: int) -> dict[str, Any]:
    """Both ways in turns."""
    taken: dict[str, list[float]] = {"torch": [], "weft": []}
    error = 0.0
    with torch.inference_mode():
        call(network, "cpu")
        for _ in range(turns):
            with torchs_own():
                seconds, exact = cpu_seconds(lambda: call(network, "cpu"))
            taken["torch"].append(seconds)
            seconds, made = cpu_seconds(lambda: call(network, "cpu"))
            taken["weft"].append(seconds)
            error = max(error, ((made - exact).abs().max() / exact.abs().max()).item())
    ratios = [before / after for before, after in zip(*taken.values(), strict=True)]
    return {"seconds": taken, "ratios": ratios, "error": error}


def report(figures: list[dict[str, Any]]) -> None:
    for one in figures:
        before, after = (statistics.median(one["seconds"][way]) for way in ("torch", "weft"))
        ratios, floor = one["ratios"], one["floor"]
        spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f}..{max(ratios):.2f})"
        print(
            f"{one['of']:17} torch {before:5.2f} s, weft {after:5.2f} s: {spread} times as fast; "
            f"floor {floor:.2f} s, {after / floor:.2f} times that; error {one['error']:.0e}",
            flush=True,
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--latents", type=int, nargs="*", default=[16, 32, 64], metavar="SIZE")
    parser.add_argument("--decode", type=int, nargs="*", default=[32, 64], metavar="SIZE")
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    arguments = parser.parse_args()
    dtype = getattr(torch, arguments.dtype)
    figures = []
    cases = {"unet": (step, arguments.latents, "step, latent"), "vae": (decode, arguments.decode, "decode, latent")}
    for name, (make, sizes, title) in cases.items():
        network = networks()[name].to(dtype)
        floors = {size: operations(network, make(size, dtype)) / rate(dtype) for size in sizes}
        filled(network, dtype)
        for size in sizes:
            found = compared(network, make(size, dtype), arguments.turns)
            figures.append({"of": f"{title} {size}", "floor": floors[size], **found})
            if not arguments.json:
                report(figures[-1:])
        del network
    if arguments.json:
        print(json.dumps(figures, indent=2))
    slower = any(1 / statistics.median(one["ratios"]) > SLOWER for one in figures)
    return int(slower or any(one["error"] > ROUNDING[dtype] for one in figures))


if __name__ == "__main__":
    sys.exit(main())
