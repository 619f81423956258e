"""The tables of samplers and schedulers are the lists of them: complete, the only ones, and read without torch."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from weft.nodes.diffusion.sampling import lazytable, noise, samplers, schedulers, schedules
from weft.nodes.diffusion.sampling.denoiser import ModelSampling
from weft.nodes.diffusion.sampling.samplers import SAMPLERS, node_only
from weft.nodes.diffusion.sampling.schedulers import ALL_SCHEDULERS, PUBLISHED_SCHEDULERS, SCHEDULERS

FOLDER = Path(samplers.__file__).parent
NODES = FOLDER.parents[2]
NO_SOLVERS = {"__init__", "interface", "ancestral"}


def original(function: Any) -> Any:
    return function.func if isinstance(function, partial) else function


def test_every_solver_has_a_row() -> None:
    """A function of a file here that takes what a solver takes: named by a row, or offered by a node of its own."""
    named = {original(sampler.solve) for sampler in SAMPLERS.values()}
    named |= {function for _, function in inspect.getmembers(node_only, inspect.isfunction)}
    for file in FOLDER.glob("*.py"):
        if file.stem in NO_SOLVERS:
            continue
        module = import_module(f"{samplers.__name__}.{file.stem}")
        for name, function in inspect.getmembers(module, inspect.isfunction):
            parameters = list(inspect.signature(function).parameters)
            if function.__module__ == module.__name__ and parameters[:3] == ["model", "x", "sigmas"]:
                assert function in named or name.startswith("_"), f"{file.name}: {name} is in no row of SAMPLERS"


def test_every_row_is_a_sampler() -> None:
    noises = {noise.sequential_noise, noise.brownian_noise, noise.brownian_noise_on_device}
    for name, sampler in SAMPLERS.items():
        assert sampler.name == name
        assert sampler.noise in noises
        inspect.signature(sampler.solve).bind(None, None, None, None, None, {}, None)
    assert SAMPLERS["euler"] is SAMPLERS["euler"]


def test_the_document_names_those_that_look_ahead() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "sampling.md").read_text()
    told = page.partition("<!-- looking ahead: of SAMPLERS -->")[2].partition("<!-- end of looking ahead -->")[0]
    ahead, _, own = told.partition(". ")
    names = {name: SAMPLERS[name] for name in SAMPLERS}
    assert re.findall(r"\w+", ahead)[2:] == [n for n, s in names.items() if s.looks_ahead and not s.own_steps]
    assert re.findall(r"dpm_\w+", own) == [n for n, s in names.items() if s.own_steps]


class Counted:
    """A network whose evaluations are counted: the picture is 0.1 of x."""

    sampling = ModelSampling.discrete()
    calls = 0

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        self.calls += 1
        return x * 0.1

    def with_uncond(self, x: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
        return self(x, sigma), x * 0.2


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("last", [0.0, 0.5])
def test_how_often_a_step_evaluates_the_model(name: str, last: float) -> None:
    sigmas = torch.tensor([9.0, 6.0, 4.0, 2.0, 1.0, last])
    x, steps = torch.ones(1, 4, 2, 2), range(len(sigmas) - 1)
    found = samplers.model_calls(name, steps, len(steps), to_zero=last == 0)
    if SAMPLERS[name].own_steps:
        model = Counted()
        SAMPLERS[name].solve(model, x, sigmas, steps, noise.SequentialNoise(x, 3), {}, lambda *step: None)
        assert found is None if name == "dpm_adaptive" else sum(found or ()) == model.calls
        return
    state: dict[str, Tensor] = {}
    calls = []
    for step in steps:
        model = Counted()
        one = range(step, step + 1)
        x = SAMPLERS[name].solve(model, x, sigmas, one, noise.SequentialNoise(x, 3), state, lambda *step: None)
        calls.append(model.calls)
    assert found == tuple(calls)


def test_every_scheduler_has_a_row() -> None:
    named = {original(scheduler) for table in (SCHEDULERS, PUBLISHED_SCHEDULERS) for scheduler in table.values()}
    for name, function in inspect.getmembers(schedules, inspect.isfunction):
        if function.__module__ == schedules.__name__ and not name.startswith("_"):
            one = list(inspect.signature(function).parameters)[:2] == ["sampling", "steps"]
            assert (function in named) == one, name
    assert (*SCHEDULERS, *PUBLISHED_SCHEDULERS) == ALL_SCHEDULERS


def literals(tree: ast.AST) -> Iterator[list[str]]:
    """The strings of every tuple, list and set, and the keys of every dict."""
    for part in ast.walk(tree):
        if isinstance(part, ast.Tuple | ast.List | ast.Set | ast.Dict):
            items = part.keys if isinstance(part, ast.Dict) else part.elts
            yield [item.value for item in items if isinstance(item, ast.Constant) and isinstance(item.value, str)]


@pytest.mark.parametrize(("names", "table"), [(SAMPLERS, samplers), (SCHEDULERS, schedulers)])
def test_there_is_no_second_list(names: Any, table: Any) -> None:
    listing = [
        path
        for path in NODES.rglob("*.py")
        if any(len(set(found) & set(names)) >= 4 for found in literals(ast.parse(path.read_text())))
    ]
    assert listing == [Path(table.__file__)], "a new sampler would have to be written there, too"


def test_names_are_read_without_torch() -> None:
    code = f"import sys, {schedulers.__name__} as a, {samplers.__name__} as b; print(*a.ALL_SCHEDULERS, *b.SAMPLERS)"
    code += "; sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == " ".join((*ALL_SCHEDULERS, *SAMPLERS)).split()


def test_a_lazy_table_makes_each_value_once_and_when_it_is_asked_for() -> None:
    made = []

    def make(name: str, row: int) -> int:
        made.append(name)
        return row * 2

    table = lazytable.LazyTable({"a": 1, "b": 2}, make)
    assert (list(table), len(table), "a" in table, "c" in table, made) == (["a", "b"], 2, True, False, [])
    assert (table["b"], table["b"], made) == (4, 4, ["b"])
    with pytest.raises(KeyError):
        table["c"]
