"""Measure the committed model, through Weft's own loader and sampler, and print the numbers of the model card.

python check.py    some minutes; the pictures that were measured go into output/model-check
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from drawings import Drawing, render, sheet
from judge import Judge, judge_images, load_judge
from loop import TRIAL, scaled
from PIL import Image
from studio import CFG, STEPS, Studio, distance, likeness, open_studio, roughness
from things import COLOURS, THINGS
from torch import Tensor
from train_embedding import SNOW
from train_vae import pictures

PROMPTS, SEEDS = scaled(40), 1 if TRIAL else 8
SHEETS = Path(TRIAL or "output", "model-check")
FIRST, SECOND = "red apple", "red rabbit"
LORA_SWITCHES = (STEPS, 16, 12, 10, 8, 6, 4, 2, 0)
# Some pictures and how many of them go into a row of their sheet.
Shown = tuple[list[Tensor], int]


def prompts() -> list[tuple[str, str]]:
    """The (colour, thing) of the prompts: every thing three times or more, every colour five times."""
    colours, things = tuple(COLOURS), tuple(THINGS)
    return [(colours[index % 8], things[(index + index // 24) % 12]) for index in range(PROMPTS)]


def say(what: str, text: str) -> None:
    """Print a line of the report."""
    print(f"{what:14}{text}", flush=True)


def check_vae(studio: Studio) -> Shown:
    """The reconstruction of drawings that no training saw."""
    images = ((pictures(1000, 0, scaled(64), pixelated=0).cpu() + 1) / 2).movedim(1, -1).contiguous()
    got = studio.vae.decode(studio.vae.encode(images))
    decibels = -10 * (got - images).square().mean((1, 2, 3)).log10()
    say("VAE", f"{decibels.mean():.1f} dB over {len(images)} unseen drawings, least {decibels.min():.1f}")
    return [*images[:8].split(1), *got[:8].split(1)], 8


def check_prompts(studio: Studio, judge: Judge, seeds: Sequence[int]) -> Shown:
    """How often thing and colour are right."""
    asked, right, colours, errors = Counter[str](), Counter[str](), 0, Counter[str]()
    shown = []
    for colour, thing in prompts():
        images = torch.cat([studio.picture(f"{colour} {thing}", seed) for seed in seeds])
        shown += images[:2].split(1)
        verdicts = judge_images(judge, images)
        for index in range(len(images)):
            got, tint = verdicts.thing(index), verdicts.colour(index)
            asked[thing] += 1
            right[thing] += got == thing
            colours += tint == colour
            if (got, tint) != (thing, colour):
                errors[f"{colour} {thing} -> {tint} {got}"] += 1
    total = asked.total()
    shares = sorted((right[thing] / asked[thing], thing) for thing in asked)
    say("pictures", f"{total}: {PROMPTS} prompts x {len(seeds)} seeds, {STEPS} steps")
    say("right thing", f"{right.total() / total:.1%}; least: {', '.join(f'{name} {s:.0%}' for s, name in shares[:4])}")
    say("right colour", f"{colours / total:.1%}")
    say("errors", ", ".join(f"{what} x{count}" for what, count in errors.most_common()) or "none")
    return shown, 16


def check_switch(studio: Studio, judge: Judge, seeds: Sequence[int]) -> Shown:
    """How the belief moves with the step at which the prompt changes."""
    shown, beliefs = [], []
    for at in range(STEPS + 1):
        images = torch.cat([studio.switched(studio, FIRST, SECOND, at, seed) for seed in seeds])
        beliefs.append(f"{at}:{judge_images(judge, images).belief('apple', 'rabbit').mean():.2f}")
        shown += images[:1].split(1)
    say("switch", f"belief in {FIRST!r} by the step at which {SECOND!r} takes over, mean of {len(seeds)} seeds")
    say("", " ".join(beliefs))
    return shown, 7


def check_lora(studio: Studio, judge: Judge, seeds: Sequence[int]) -> Shown:
    """What the step at which the LoRA is put on does to blocks and shapes; and what it always on does to things."""
    pixel, shown, rough, alike = studio.with_lora(), [], [], []
    plain = torch.cat([studio.picture(SECOND, seed) for seed in seeds])
    for at in LORA_SWITCHES:
        images = torch.cat([studio.switched(pixel, SECOND, SECOND, at, seed) for seed in seeds])
        shown += images[:1].split(1)
        rough.append(f"{at}:{roughness(images).mean():.4f}")
        alike.append(f"{at}:{likeness(images, plain):.2f}")
    say("LoRA from", " ".join(rough) + " (variance inside 4 px blocks / total)")
    say("", " ".join(alike) + " (correlation with the picture without it, at 16x16)")
    always = torch.cat([pixel.picture(f"{colour} {thing}", seeds[0]) for colour, thing in prompts()])
    verdicts = judge_images(judge, always)
    right = sum(verdicts.thing(index) == thing for index, (_, thing) in enumerate(prompts()))
    say("LoRA always", f"right thing {right / PROMPTS:.1%}, one seed for each prompt")
    return shown + list(always[:27].split(1)), 9


def check_embedding(studio: Studio, seeds: Sequence[int]) -> Shown:
    """How far the colour of an apple is from white with the embedding, and with the nearest words."""
    shown = []
    for words in ("embedding:weft-white", "yellow", "pink", "blue"):
        images = torch.cat([studio.picture(f"{words} apple", seed) for seed in seeds])
        shown += images[:4].split(1)
        say("embedding", f"{words} apple: {distance(images, SNOW):.0f} of 255 from white")
    return shown, 4


def check_time(studio: Studio) -> None:
    """How long a picture takes."""
    started = time.monotonic()
    studio.picture(FIRST, 0)
    took = time.monotonic() - started
    say("time", f"{took:.2f} s for {STEPS} steps and decoding, {torch.get_num_threads()} threads")


def save_sheet(shown: Shown, path: Path) -> None:
    """Write images [1,H,W,3] in 0..1 as a contact sheet."""
    images, columns = shown
    sheet([Image.fromarray((image[0] * 255).round().byte().numpy()) for image in images], columns).save(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sheets", type=Path, default=SHEETS, help="folder for contact sheets")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="for each prompt")
    parser.add_argument("--sampler", default="euler")
    parser.add_argument("--scheduler", default="karras")
    parser.add_argument("--cfg", type=float, default=CFG)
    given = parser.parse_args()
    studio = replace(open_studio(), sampler=given.sampler, scheduler=given.scheduler, cfg=given.cfg)
    judge, seeds = load_judge(), range(given.seeds)
    say("settings", f"{given.sampler}, {given.scheduler}, cfg {given.cfg}")
    given.sheets.mkdir(parents=True, exist_ok=True)
    sheet([render(Drawing(thing, colour)) for colour, thing in prompts()], 8).save(given.sheets / "drawings.png")
    check_time(studio)
    save_sheet(check_vae(studio), given.sheets / "vae.png")
    save_sheet(check_prompts(studio, judge, seeds), given.sheets / "prompts.png")
    save_sheet(check_switch(studio, judge, seeds), given.sheets / "switch.png")
    save_sheet(check_lora(studio, judge, seeds), given.sheets / "lora.png")
    save_sheet(check_embedding(studio, seeds), given.sheets / "embedding.png")


if __name__ == "__main__":
    main()
