"""The Efficient samplers without a script: a core sampler with the same inputs, whatever they are.

That equal nodes give equal numbers, in either mode, is the engine's affair; tests/parity/test_efficiency.py runs them.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from weft.engine.context import RunContext
from weft.engine.links import Link
from weft.engine.schema.expansion import GraphBuilder
from weft.engine.schema.registry import Registry
from weft.nodes.diffusion.sampling.samplers import SAMPLERS
from weft.nodes.diffusion.sampling.schedulers import ALL_SCHEDULERS

REGISTRY = Registry.discover()
MakeContext = Callable[..., RunContext]
LINKS = {name: Link("o", slot) for slot, name in enumerate(("model", "positive", "negative", "latent_image"))}
VAE = Link("o", 4)
SHOWN = {"preview_method": "auto", "vae_decode": "true", "optional_vae": VAE}


def expanded(class_type: str, context: RunContext, **inputs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The outputs and the graph of a sampler with id 9."""
    runnable = REGISTRY.runnable(class_type)
    hidden = {"prompt": {}, "extra_pnginfo": {}, "my_unique_id": "9"}
    graph = GraphBuilder("9.0.0.")
    found = runnable.call(**{**LINKS, **SHOWN, **inputs}, **hidden, graph=graph, context=context)
    return found["result"], found["expand"]


def check(outputs: tuple[Any, ...], graph: dict[str, Any], core: str, widgets: dict[str, Any]) -> None:
    sampler, decoder, shown = graph
    assert graph[sampler]["class_type"] == core
    assert graph[sampler]["inputs"] == {**LINKS, **widgets}
    assert graph[decoder]["class_type"] == "VAEDecode"
    assert graph[decoder]["inputs"] == {"samples": Link(sampler, 0), "vae": VAE}
    assert graph[shown]["class_type"] == "PreviewImage"
    assert outputs == (*list(LINKS.values())[:3], Link(sampler, 0), VAE, Link(decoder, 0))


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_with_every_scheduler(sampler: str, make_context: MakeContext) -> None:
    context = make_context()
    for scheduler in ALL_SCHEDULERS:
        widgets = {"steps": 11, "cfg": 6.5, "sampler_name": sampler, "scheduler": scheduler}
        regular = {**widgets, "seed": 2**64 - 1, "denoise": 0.4}
        check(*expanded("KSampler (Efficient)", context, **regular), "KSampler", regular)
        advanced = {**widgets, "noise_seed": 3, "add_noise": "disable", "return_with_leftover_noise": "enable"}
        advanced |= {"start_at_step": 2, "end_at_step": 9}
        check(*expanded("KSampler Adv. (Efficient)", context, **advanced), "KSamplerAdvanced", advanced)


@pytest.mark.parametrize(("start", "end"), [(0, 10_000), (0, 4), (3, 10_000), (2, 6), (0, 0), (10_000, 10_000), (5, 2)])
def test_every_stretch_with_and_without_noise(start: int, end: int, make_context: MakeContext) -> None:
    context = make_context()
    for add_noise, leftover in itertools.product(("enable", "disable"), repeat=2):
        widgets = {"noise_seed": 7, "steps": 8, "cfg": 7.0, "sampler_name": "euler", "scheduler": "normal"}
        widgets |= {"add_noise": add_noise, "return_with_leftover_noise": leftover}
        widgets |= {"start_at_step": start, "end_at_step": end}
        check(*expanded("KSampler Adv. (Efficient)", context, **widgets), "KSamplerAdvanced", widgets)
    assert context.warnings == []
