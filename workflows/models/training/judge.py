"""The judge: a classifier that says which thing and which colour a picture shows.

    python judge.py    train it and write judge.safetensors

It learns from drawings alone, roughened so that it does not depend on their last detail, and never sees a sample.
"""

from __future__ import annotations

import argparse
import random
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from drawings import SIZE, Drawing, random_drawing, render, render_pixels
from loop import MODELS, WORK, Run, device, scaled, write_atomically
from safetensors.torch import load_file, save_file
from things import COLOURS, THINGS
from torch import Tensor, nn

JUDGE = MODELS / "training" / "judge.safetensors"
_SEED = 77
_THINGS, _COLOURS = tuple(THINGS), tuple(COLOURS)


class Judge(nn.Module):
    """A small convolutional network over pictures [B,3,SIZE,SIZE] in -1..1; gives two rows of logits."""

    def __init__(self) -> None:
        super().__init__()
        widths = (3, 24, 48, 96, 128)
        layers: list[nn.Module] = [nn.AvgPool2d(2)]
        for before, after in pairwise(widths):
            layers += [nn.Conv2d(before, after, 3, padding=1), nn.GroupNorm(8, after), nn.SiLU(), nn.AvgPool2d(2)]
        self.body = nn.Sequential(*layers)
        self.thing = nn.Sequential(nn.Flatten(), nn.Linear(128 * 16, 64), nn.SiLU(), nn.Linear(64, len(_THINGS)))
        self.colour = nn.Sequential(nn.Flatten(), nn.Linear(128 * 16, 32), nn.SiLU(), nn.Linear(32, len(_COLOURS)))

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of the things [B, len(THINGS)] and of the colours [B, len(COLOURS)]."""
        seen = self.body(pictures)
        return self.thing(seen), self.colour(seen)


class Verdicts:
    """What the judge holds of a batch of pictures; probabilities by picture."""

    def __init__(self, things: Tensor, colours: Tensor) -> None:
        self.things, self.colours = things.softmax(-1), colours.softmax(-1)

    def thing(self, index: int) -> str:
        """The thing that a picture shows most likely."""
        return _THINGS[int(self.things[index].argmax())]

    def colour(self, index: int) -> str:
        """The colour that it has most likely."""
        return _COLOURS[int(self.colours[index].argmax())]

    def belief(self, thing: str, rather_than: str) -> Tensor:
        """[B]: how likely each picture shows one thing, given that it is one of the two."""
        wanted, other = self.things[:, _THINGS.index(thing)], self.things[:, _THINGS.index(rather_than)]
        return wanted / (wanted + other)


def load_judge(path: Path = JUDGE) -> Judge:
    """The trained judge."""
    judge = Judge()
    judge.load_state_dict({name: value.float() for name, value in load_file(path).items()})
    return judge.eval()


@torch.no_grad()
def judge_images(judge: Judge, images: Tensor) -> Verdicts:
    """Its verdicts on images [B,SIZE,SIZE,3] in 0..1, as Weft's VAE gives them."""
    return Verdicts(*judge(images.movedim(-1, 1) * 2 - 1))


def _batch(step: int, count: int, *, rough: bool) -> tuple[Tensor, Tensor, Tensor]:
    rng = random.Random(f"judge/{_SEED}/{rough}/{step}")
    drawings: list[Drawing] = [random_drawing(rng) for _ in range(count)]
    images = [np.asarray((render_pixels if rng.random() < 0.1 else render)(drawing)) for drawing in drawings]
    pictures = torch.from_numpy(np.stack(images)).movedim(-1, 1).float() / 127.5 - 1
    if rough:
        pictures = _roughened(pictures, torch.Generator().manual_seed(step))
    things = torch.tensor([_THINGS.index(drawing.thing) for drawing in drawings])
    colours = torch.tensor([_COLOURS.index(drawing.colour) for drawing in drawings])
    return pictures, things, colours


def _roughened(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Pictures shifted, scaled, blurred and noised a little, each otherwise."""
    count = len(pictures)

    def some(*shape: int) -> Tensor:
        return torch.rand(count, *shape, generator=generator)

    matrix = torch.zeros(count, 2, 3)
    matrix[:, 0, 0], matrix[:, 1, 1] = 0.9 + 0.2 * some(), 0.9 + 0.2 * some()
    matrix[:, :, 2] = 0.16 * (some(2) - 0.5)
    grid = F.affine_grid(matrix, list(pictures.shape), align_corners=False)
    pictures = F.grid_sample(pictures, grid, padding_mode="border", align_corners=False)
    blurred = F.avg_pool2d(pictures, 5, stride=1, padding=2, count_include_pad=False)
    share = some(1, 1, 1)
    pictures = pictures + share * (blurred - pictures)
    pictures = pictures + 0.1 * some(1, 1, 1) * torch.randn(pictures.shape, generator=generator)
    # One patch is covered: no single feature decides.
    covered = (torch.arange(SIZE) / SIZE - some(2, 1)).abs() < 0.08
    hidden = (covered[:, 0, :, None] & covered[:, 1, None, :])[:, None]
    return torch.where(hidden, some(3, 1, 1) * 2 - 1, pictures)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=WORK, help="where the work is kept")
    parser.add_argument("--steps", type=int, default=scaled(1500))
    arguments = parser.parse_args()
    torch.manual_seed(_SEED)
    judge = Judge().to(device())
    run = Run(arguments.folder / "judge.state", {"judge": judge}, steps=arguments.steps, rate=2e-3, decay=0.99)
    for step in run:
        pictures, things, colours = (part.to(device()) for part in _batch(step, 48, rough=True))
        guessed, tinted = judge(pictures)
        smooth = {"label_smoothing": 0.02}
        run.update(F.cross_entropy(guessed, things, **smooth) + F.cross_entropy(tinted, colours, **smooth))
    run.finish()
    weights = {name: value.half() for name, value in judge.state_dict().items()}
    write_atomically(JUDGE, lambda path: save_file(weights, path, metadata={"modelspec.license": "Apache-2.0"}))
    unseen = scaled(480)
    pictures, things, colours = (part.to(device()) for part in _batch(0, unseen, rough=False))
    with torch.no_grad():
        guessed, tinted = judge.eval()(pictures)
    right = (guessed.argmax(-1) == things).float().mean(), (tinted.argmax(-1) == colours).float().mean()
    print(
        f"judge: of {unseen} drawings not seen before, {right[0]:.1%} of the things and {right[1]:.1%} of the colours"
    )


if __name__ == "__main__":
    main()
