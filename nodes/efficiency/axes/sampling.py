"""Axes of what a sampler is given: seed, steps, noise, cfg, sampler, scheduler, denoise and VAE."""

from __future__ import annotations

from collections.abc import Sequence

from weft.nodes.diffusion.sampling.samplers import SAMPLERS
from weft.nodes.diffusion.sampling.schedulers import ALL_SCHEDULERS
from weft.nodes.diffusion.sampling.spellings import sampler_meant, scheduler_meant
from weft.nodes.efficiency.axes.entries import fields, file, known, real, whole, whole_number
from weft.nodes.efficiency.axes.kind import ADVANCED, REGULAR, SDXL, AxisKind, Cell, Files, Grammar, sets, stem, titled

MAX_SEEDS = 50

_SHORTER = (("_ancestral", "_a"), ("uniform", "u"), ("exponential", "exp"))


def _seed(cell: Cell, value: int) -> None:
    cell.changed["seed"] = cell.sampling.seed + value


def _seeds(entries: Sequence[str], files: Files) -> Sequence[int]:
    count = whole_number(entries[0])
    if len(entries) > 1 or not 1 <= count <= MAX_SEEDS:
        raise ValueError(f"expected one number of seeds, 1 to {MAX_SEEDS}, got {';'.join(entries)!r}")
    return range(count)


def _refine_at(cell: Cell, value: float) -> None:
    cell.refine_at = value


def _sampler(cell: Cell, value: tuple[str, str | None]) -> None:
    name, scheduler = value
    cell.changed["sampler_name"] = name
    if scheduler is not None:
        cell.changed["scheduler"] = scheduler


def _sampler_label(value: tuple[str, str | None], seed: int) -> str:
    name, scheduler = value
    text = name if scheduler is None else f"{name} ({scheduler})"
    for long, short in _SHORTER:
        text = text.replace(long, short)
    return text


def _samplers(entries: Sequence[str], files: Files) -> list[tuple[str, str | None]]:
    found = []
    for name, scheduler in fields(entries, 2):
        if scheduler is not None:
            scheduler = known("scheduler", scheduler.lower(), ALL_SCHEDULERS, scheduler_meant)
        found.append((known("sampler", name, tuple(SAMPLERS), sampler_meant), scheduler))
    return found


def _schedulers(entries: Sequence[str], files: Files) -> list[str]:
    return [known("scheduler", entry, ALL_SCHEDULERS, scheduler_meant) for entry in entries]


def _vae(cell: Cell, value: str) -> None:
    cell.vae_name = value


def _vaes(entries: Sequence[str], files: Files) -> list[str]:
    return [file("vae", entry, files) for entry in entries]


KINDS = (
    AxisKind(
        "Seeds++ Batch",
        label=lambda value, seed: f"Seed: {seed + value}",
        apply=_seed,
        grammar=Grammar(_seeds),
        joined=lambda first, second: range(len(first) + len(second)),
    ),
    AxisKind("Steps", titled("Steps"), sets("steps"), grammar=Grammar(whole(1, 10_000))),
    AxisKind(
        "StartStep",
        label=titled("StartStep"),
        apply=sets("start"),
        samplers=(ADVANCED, SDXL),
        grammar=Grammar(whole(0, 10_000)),
    ),
    AxisKind(
        "EndStep",
        label=titled("EndStep"),
        apply=sets("end"),
        samplers=(ADVANCED,),
        grammar=Grammar(whole(0, 10_000)),
    ),
    AxisKind("RefineStep", titled("RefineStep"), sets("refine"), samplers=(SDXL,)),
    AxisKind(
        "Refiner On/Off",
        label=lambda value, seed: "Refiner: off" if value == 1 else f"Refiner: at {value:.0%}",
        apply=_refine_at,
        samplers=(SDXL,),
    ),
    AxisKind("AddNoise", titled("AddNoise"), sets("add_noise"), samplers=(ADVANCED,)),
    AxisKind("ReturnNoise", titled("ReturnNoise"), sets("leftover"), samplers=(ADVANCED, SDXL)),
    AxisKind("CFG Scale", titled("CFG"), sets("cfg"), grammar=Grammar(real(0, 100))),
    AxisKind(
        "Sampler",
        label=_sampler_label,
        apply=_sampler,
        grammar=Grammar(_samplers),
        beside={"Scheduler": lambda value: (value[0], None)},
    ),
    AxisKind(
        "Scheduler",
        label=lambda value, seed: _sampler_label((value, None), seed),
        apply=sets("scheduler"),
        grammar=Grammar(_schedulers, blanks=True),
    ),
    AxisKind("Denoise", titled("Denoise"), sets("denoise"), samplers=(REGULAR,), grammar=Grammar(real(0, 1))),
    AxisKind(
        "VAE",
        label=lambda value, seed: f"VAE: {stem(value)}",
        apply=_vae,
        cost=1,
        grammar=Grammar(_vaes, folder="vae"),
    ),
)
