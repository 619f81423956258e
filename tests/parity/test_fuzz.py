"""Random graphs and broken prompts: Weft does what ComfyUI does, or docs/differences.md says why not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import weft
from weft.engine.cache.memory import MemoryCache
from weft.engine.errors import InvalidWorkflow, NodeError, UnreadableWorkflow
from weft.engine.schema.registry import Registry
from weft.engine.session import Session
from weft.engine.workflow.prompt import Prompt

from ..reference.fuzz import VALIDATION, graphs, judge, rows
from .quick import steps_of
from .reference import flat

# Where Weft knowingly does otherwise: the graphs, by the id of the difference.
KNOWN: dict[str, str] = {
    "sa-solver-leftover": "adv_0_015 adv_0_016 adv_0_070 adv_0_085 custom_0_000 custom_0_003 inpaint_0_001 "
    "inpaint_0_058 minimal_sa_solver_leftover",
    "embedding-without-name": "clip_0_009 clip_0_033 clip_0_061 cond_0_048 cond_0_070 ks_0_097 ks_0_117 ks_0_197",
    "lora-names": "adv_0_004 custom_0_081 lora_0_006 lora_0_040 lora_0_048 lora_0_049 lora_0_054 patch_0_058 "
    "minimal_peft_unet_keys",
    "latent-interpolate-batch": "latent_0_014 latent_0_027 latent_0_029 latent_0_064 minimal_latentinterpolate_batch4",
    "sag-small-map": "patch_0_083",
    "grey-16-bit": "minimal_load_16bit_gray",
    "unknown-choice": "minimal_v3_combo_unknown",
}
DIFFERENCE_OF = {name: difference for difference, names in KNOWN.items() for name in names.split()}
# What `make test` runs: the small graphs, some of each kind that samples nothing, and the shortest of each that does.
SAMPLING = ("adv", "cond", "custom", "ks", "lora")
QUICK = frozenset(
    [name for name in graphs() if name.startswith("minimal_")]
    + [name for kind in ("clip", "image", "latent", "sigmas") for name in list(rows(kind))[:8]]
    + [
        min(
            (name for name in rows(kind) if "error" not in graphs()[name]),
            key=lambda n: steps_of(graphs()[n]["prompt"]),
        )
        for kind in SAMPLING
    ]
)
CASES = [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in graphs()]


@pytest.fixture(scope="module")
def cache() -> MemoryCache:
    return MemoryCache()


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry.discover()


def test_there_are_all() -> None:
    assert len(graphs()) == 589
    assert len(rows(VALIDATION)) == 116
    assert DIFFERENCE_OF.keys() <= graphs().keys()


def shares(
    graph: dict[str, Any], parity: Path, output: Path, cache: MemoryCache, registry: Registry
) -> dict[str, float] | str:
    """How far each tensor is from ComfyUI's, in units of its limit; or the error of the run."""
    folders: dict[str, Any] = {"models": parity / "models", "input": parity / "input", "output": output}
    options: dict[str, Any] = {"device": "cpu", "dtype": "float32", "missing_embeddings": "warn"}
    try:
        result = weft.run(
            graph["prompt"], targets=graph["targets"], cache=cache, registry=registry, **options, **folders
        )
    except (NodeError, InvalidWorkflow) as error:
        return str(error)
    got: dict[str, torch.Tensor] = {}
    for node_id in graph["targets"]:
        for slot, value in enumerate(result[node_id]):
            if isinstance(value, int | float) and not isinstance(value, bool):
                got[f"{node_id}.{slot}"] = torch.tensor(float(value), dtype=torch.float64)
        got |= flat(result[node_id], node_id)
    return judge(graph, got) if "tensors" in graph else dict.fromkeys(got, float("inf"))


@pytest.mark.parametrize("name", CASES)
def test_graph(name: str, parity: Path, tmp_path: Path, cache: MemoryCache, registry: Registry) -> None:
    graph = graphs()[name]
    found = shares(graph, parity, tmp_path, cache, registry)
    agrees = isinstance(found, str) if "error" in graph else isinstance(found, dict) and max(found.values()) <= 1.0
    known = DIFFERENCE_OF.get(name)
    if known is None:
        assert agrees, found
    else:
        assert not agrees, f"it does as ComfyUI does now: {known} says otherwise"


# Broken prompts

RAISED = {"exception_during_inner_validation", "exception_during_validation"}
# ComfyUI takes these prompts, and their run fails, or does not do what they say.
REFUSED: dict[str, str] = {
    "constant-for-link": "v_056 v_093 v_165 v_211",
    "bad-slot": "v_044",
    "cycle": "v_081",
    "undeclared-link": "v_191",
    "missing-embedding": "v_119",
}
# ComfyUI refuses these prompts, and it is plain what they mean.
TAKEN = {"number-for-id": "v_106 v_115 v_127 v_210"}
UNREADABLE = {"v_031", "v_170", "v_236", "v_237"}


def explained(name: str, ours: set[tuple[Any, ...]], theirs: set[tuple[Any, ...]]) -> Iterator[str]:
    """The ids of the differences that explain all of how two lists of (node, type, input) differ."""
    if ours == theirs:
        return
    if not theirs:
        yield next(difference for difference, names in REFUSED.items() if name in names.split())
        return
    if not ours:
        yield next(difference for difference, names in TAKEN.items() if name in names.split())
        return
    for node_id, code, input_name in theirs - ours:
        if code in RAISED:
            yield "validator-raises"
        elif code in ("invalid_prompt", "prompt_outputs_failed_validation"):
            assert input_name is None and node_id is None
            yield "every-problem"
        else:
            assert (node_id, "invalid_input_type", input_name) in ours, (node_id, code, input_name)
            yield "no-number"
    if ours - theirs:
        yield "every-problem"


@pytest.mark.parametrize("name", rows(VALIDATION))
def test_broken_prompt(name: str, parity: Path, registry: Registry) -> None:
    row = rows(VALIDATION)[name]
    theirs = {tuple(error[:3]) for error in row["errors"]}
    if name in UNREADABLE:
        assert theirs
        with pytest.raises(UnreadableWorkflow):
            Prompt.parse(row["prompt"])
        return
    session = Session(registry=registry, models=(parity / "models",), input=parity / "input")
    issues = session.issues(Prompt.parse(row["prompt"]))
    set(explained(name, {(issue.node_id, issue.code, issue.input) for issue in issues}, theirs))


def test_every_difference_is_documented() -> None:
    text = (Path(__file__).parents[2] / "docs" / "differences.md").read_text(encoding="utf-8")
    ids = {*KNOWN, *REFUSED, *TAKEN, "validator-raises", "every-problem", "no-number", "unreadable-prompt"}
    assert [name for name in sorted(ids) if f"\n| {name} |" not in text] == []
