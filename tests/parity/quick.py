"""Which goldens of a cross product `make test` runs: what they hold together is all that the whole product holds.

A cross product is a category whose goldens vary the same few things: samplers, schedulers, stretches of the steps. The
rest of it is a long check. Every golden of another category is quick.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from itertools import chain
from typing import Any

import pytest

from weft.nodes.diffusion.sampling.samplers import SAMPLERS

from ..reference.store import Golden

CROSSED = {
    "C3_samplers", "C3_variants", "C4_advanced", "X1_sdxl",
    "E1_loader_opts", "E2_gits_shim", "E2_ksampler", "E2_ksampler_adv", "E3_hires", "E3_noise",
}  # fmt: skip
WHOLE = 10_000
"""ComfyUI's word for the last step, and beyond."""


def marked(goldens: Mapping[str, Golden]) -> list[Any]:
    """The names, as parameters of a test; those that can be done without are slow."""
    chosen = quick(goldens)
    return [name if name in chosen else pytest.param(name, marks=pytest.mark.slow) for name in goldens]


def quick(goldens: Mapping[str, Golden]) -> set[str]:
    """The names of goldens that together have every trait there is, those of few steps first."""
    have = {name: traits(golden.prompt) for name, golden in goldens.items()}
    crossed = [name for name, golden in goldens.items() if golden.category in CROSSED]
    chosen = [name for name in goldens if name not in crossed]
    times = Counter(chain.from_iterable(have[name] for name in chosen))
    needed = []
    for name in sorted(crossed, key=lambda name: steps_of(goldens[name].prompt)):
        if any(not times[trait] for trait in have[name]):
            needed.append(name)
            times.update(have[name])
    for name in reversed(needed):
        if all(times[trait] > 1 for trait in have[name]):
            times.subtract(have[name])
        else:
            chosen.append(name)
    return set(chosen)


def traits(prompt: Mapping[str, Any]) -> set[tuple[Any, ...]]:
    """What a golden shows: each value of each input, what is linked to it, and how much is sampled.

    So a sampler is there whole and of one step, and each kind of them in a batch, where the product has it so; a class
    with less denoise, from the middle and up to it, with each kind of sampler, and with every checkpoint that it meets;
    and two stages with what is switched between them. That each sampler goes on from the middle of its steps, and in a
    batch, is in tests/diffusion/test_samplers.py; every class looks samplers and schedulers up in the same tables.
    """
    found: set[tuple[Any, ...]] = set()
    batched = any(node["inputs"].get("batch_size", 1) != 1 for node in prompt.values())
    models = [node["inputs"][name] for node in prompt.values() for name in node["inputs"] if name.endswith("ckpt_name")]
    for node in prompt.values():
        class_type, inputs = node["class_type"], node["inputs"]
        found.update((class_type, model) for model in models)
        for name, value in inputs.items():
            if isinstance(value, list):
                found.add((class_type, name, prompt[value[0]]["class_type"], value[1]))
                found.add((class_type, name, *_switched(prompt[value[0]]["inputs"], inputs)))
            elif name in ("sampler_name", "scheduler"):
                found.add((name, value))
            elif name != "filename_prefix":
                found.add((class_type, name, str(value)))
        if "sampler_name" in inputs and "steps" in inputs:
            kind = _kind(inputs["sampler_name"])
            found.add((kind, batched))
            one, *stretch = _stretch(inputs)
            found.add((inputs["sampler_name"], one))
            found.add((class_type, kind, *stretch))
    return found


def _switched(first: Mapping[str, Any], then: Mapping[str, Any]) -> tuple[str, ...]:
    """What is other in the second of two stages."""
    if "sampler_name" not in first or "sampler_name" not in then:
        return ()
    return tuple(name for name in _SWITCHED if first.get(name) != then.get(name))


_SWITCHED = ("model", "positive", "negative", "cfg", "sampler_name", "scheduler")


def _kind(sampler_name: Any) -> tuple[Any, ...]:
    """What KSampler knows of a sampler: what a stretch of the steps does to it hangs on that."""
    sampler = SAMPLERS.get(str(sampler_name))
    return () if sampler is None else (sampler.own_steps, sampler.discard_penultimate, sampler.noise)


def _stretch(inputs: Mapping[str, Any]) -> tuple[Any, ...]:
    steps, start, end = (inputs.get(name, default) for name, default in _STRETCH)
    return (
        steps == 1,
        inputs.get("denoise", 1.0) < 1,
        start > 0,
        end < min(steps, WHOLE),
        inputs.get("add_noise", "enable"),
        inputs.get("return_with_leftover_noise", "disable"),
    )


_STRETCH = (("steps", 20), ("start_at_step", 0), ("end_at_step", WHOLE))


def steps_of(prompt: Mapping[str, Any]) -> int:
    """The steps that its samplers are told, added up."""
    counts = (node["inputs"].get("steps", 0) for node in prompt.values())
    return sum(count for count in counts if isinstance(count, int))


def lost(goldens: Mapping[str, Golden], chosen: Collection[str]) -> set[tuple[Any, ...]]:
    """The traits that the chosen do not have."""
    every, kept = (
        set(chain.from_iterable(traits(goldens[name].prompt) for name in names)) for names in (goldens, chosen)
    )
    return every - kept
