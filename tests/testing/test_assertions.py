from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from weft.engine.errors import UsageError
from weft.engine.testing.assertions import CHECKS, read_assertions
from weft.engine.testing.verdicts import DIFFERENT, PASSED

from .conftest import Bench, drawing, node, simple


def check(bench: Bench, text: str, workflow: dict[str, Any] | None = None) -> Any:
    bench.write(workflow or simple())
    (bench.folder / "w.test.toml").write_text(text)
    return bench.check()


def colored() -> dict[str, Any]:
    return {
        "1": node("EmptyImage", width=20, height=10, batch_size=2, color=0xFF0000),
        "2": node("EmptyImage", width=20, height=10, batch_size=2, color=0xFE0000),
        "3": node("SaveImage", images=["1", 0], filename_prefix="red"),
        "4": node("PreviewImage", images=["2", 0]),
        "5": node("EmptyImage", width=20, height=10, batch_size=2, color=0xFF0000),
        "6": node("PreviewImage", images=["5", 0]),
    }


# A check, and whether it holds of colored().
CASES = [
    ('node = "SaveImage"\nfiles = 2', True),
    ('node = "SaveImage"\nfiles = 1', False),
    ("files = {min = 3, max = 9}", True),
    ("files = {max = 3}", False),
    ('node = "3"\nsize = [20, 10]', True),
    ('node = "3"\nsize = [10, 20]', False),
    ('node = "1"\nshape = [2, 10, -1, 3]', True),
    ('node = "1"\nshape = [1, 10, 20, 3]', False),
    ('node = "1"\nshape = [2, 10, 20]', False),
    ('node = "1"\noutput = "IMAGE"\nrange = [0, 1]', True),
    ('node = "1"\noutput = 0\nrange = [0.1, 1]', False),
    ('node = "3"\ncolor = "#FF0000"\nmin_pixels = 200', True),
    ('node = "3"\ncolor = "#FF0000"\nmin_pixels = 401', False),
    ('node = "1"\ncolor = "00ff00"', False),
    ('node = "2"\ncolor = "#FF0000"\ntolerance = 0', False),
    ('node = "2"\ncolor = "#FF0000"\ntolerance = 1', True),
    ('node = "1"\ncached = true', False),
    ("finite = true", True),
    ("finite = false", False),
    ('node = "1"\nexecuted = true', True),
    ('node = "1"\nexecuted = false', False),
    ('node = "1"\ncached = false', True),
    ('node = "5"\ncached = true', True),  # it equals node 1, whose outputs it shares
    ("seconds = 100", True),
    ("seconds = 0", False),
    ("calls = 0", True),
    ("calls = {min = 1}", False),
    ('node = "1"\nequal = "5"', True),
    ('node = "1"\nequal = "2"', False),
    ('node = "1"\nequal = {node = "2", output = "IMAGE"}\nwithin = 0.01', True),
    ('node = "1"\nequal = "2"\nwithin = 0.001', False),
    ('node = "1"\ndifferent = "2"', True),
    ('node = "1"\ndifferent = "5"', False),
]


def test_every_check_is_tried_both_ways() -> None:
    for name in CHECKS:
        assert {holds for text, holds in CASES if f"{name} = " in text} == {True, False}, name


@pytest.mark.parametrize(("text", "holds"), CASES, ids=[text.replace("\n", ", ") for text, _ in CASES])
def test_a_check_holds_or_not(text: str, holds: bool, bench: Bench) -> None:
    verdict = check(bench, f"[[assert]]\n{text}\n", colored())
    (asserted,) = verdict.assertions
    assert asserted.holds is holds, asserted
    assert verdict.status == (PASSED if holds else DIFFERENT)


def test_what_was_got_is_said(bench: Bench) -> None:
    text = '[[assert]]\nnode = "3"\nsize = [1, 2]\nfiles = 7\ncolor = "#0000FF"\n'
    told = {asserted.text: asserted.got for asserted in check(bench, text, colored()).assertions}
    assert told == {
        "3: size = [1, 2]": "20 x 10",
        "3: files = 7": "2",
        "3: color = #0000FF": "0 pixels within 10 of it",
    }


def test_not_finite_is_found(bench: Bench) -> None:
    folder = bench.folder / "latents"
    folder.mkdir()
    version = {"latent_format_version_0": torch.zeros(0)}
    save_file({"latent_tensor": torch.full((1, 4, 8, 8), math.nan), **version}, folder / "bad.latent")
    bench.options = replace(bench.options, input=folder)
    text = 'targets = ["1"]\n[[assert]]\nnode = "1"\nfinite = true\n'
    verdict = check(bench, text, {"1": node("LoadLatent", latent="bad.latent")})
    assert [(asserted.holds, asserted.got) for asserted in verdict.assertions] == [(False, "LATENT samples has 256")]


def test_the_second_run_is_looked_at(bench: Bench) -> None:
    text = 'runs = 2\n[[assert]]\nnode = "2"\ncached = true\nexecuted = false\n[[assert]]\ncalls = 0\n'
    assert check(bench, text).status == PASSED


def test_network_evaluations_are_counted(bench: Bench) -> None:
    text = """
    set = ["repaint.denoise=1.0"]
    [[assert]]
    node = "repaint"
    calls = {min = 3, max = 3}
    [[assert]]
    node = "draw"
    calls = {min = 5, max = 5}
    [[assert]]
    node = "positive"
    calls = 0
    """
    # Three steps of euler are three evaluations, of heun five: its last step has no correction.
    verdict = check(bench, text, drawing())
    assert verdict.status == PASSED, verdict.assertions


def test_a_node_that_raises_fails_the_test(bench: Bench) -> None:
    workflow = {
        "8": node("CheckpointLoaderSimple", ckpt_name="broken.safetensors"),
        "6": node("EmptyLatentImage", width=64, height=64, batch_size=1),
        "7": node("VAEDecode", samples=["6", 0], vae=["8", 2]),
        "9": node("PreviewImage", images=["7", 0]),
    }
    models = bench.folder / "models" / "checkpoints"
    models.mkdir(parents=True)
    (models / "broken.safetensors").write_bytes(b"nothing")
    bench.options = replace(bench.options, models=(bench.folder / "models",))
    verdict = check(bench, "[[assert]]\nfinite = true\n", workflow)
    assert verdict.status == DIFFERENT
    assert verdict.first.kind == "failure"
    assert verdict.first.node.node_id == "8"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "it asserts nothing"),
        ("[[assert]\n", "w.test.toml: "),
        ("x = " + "[" * 5000, "w.test.toml: it is nested more than 100 levels deep"),
        ("x = " + "9" * 5000, "w.test.toml: Exceeds the limit"),
        ("[[assert]]\n", "[[assert]] 1: it checks nothing (one of files, size"),
        ('[[assert]]\nnode = "3"\nfile = 1\n', "unknown key 'file' (did you mean 'files'?)"),
        ("[[assert]]\nfiles = 1\n[[assert]]\nsize = [1]\n", "[[assert]] 2: size should be [width, height], got [1]"),
        ('[[assert]]\nfiles = "2"\n', "files should be a number of files, or {min, max}, got '2'"),
        ("[[assert]]\nfiles = {least = 2}\n", "files should be"),
        ('[[assert]]\ncolor = "red"\n', 'color should be a colour "#RRGGBB"'),
        ("[[assert]]\nexecuted = true\n", "executed needs a node"),
        ('sett = ["a"]\n[[assert]]\nfiles = 1\n', "unknown key 'sett' (did you mean 'set'?)"),
        ("set = [1]\n[[assert]]\nfiles = 1\n", "set should be a list of texts"),
        ("runs = 0\n[[assert]]\nfiles = 1\n", "runs should be 1 or more"),
        ('runs = "2"\n[[assert]]\nfiles = 1\n', "runs should be int"),
    ],
)
def test_a_bad_file_is_refused(text: str, told: str, tmp_path: Path) -> None:
    path = tmp_path / "w.test.toml"
    path.write_text(text)
    with pytest.raises(UsageError) as error:
        read_assertions(path)
    assert told in str(error.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[[assert]]\nnode = "SaveImag"\nfiles = 1\n', "did you mean"),
        ('[[assert]]\nnode = "1"\noutput = "LATENT"\nfinite = true\n', "no output 'LATENT'; there are IMAGE, MASK"),
        ('[[assert]]\nnode = "4"\noutput = "0"\nrange = [0, 1]\n', "no output '0'"),
        ('set = ["9.seed=1"]\n[[assert]]\nfiles = 1\n', "no node '9'"),
        ('workflow = "gone.json"\n[[assert]]\nfiles = 1\n', "gone.json"),
    ],
)
def test_what_is_not_in_the_workflow_is_an_error(text: str, told: str, bench: Bench) -> None:
    assert told in check(bench, text).error


def test_beside_a_golden_it_says_nothing_of_how_to_run(bench: Bench) -> None:
    bench.record(simple())
    assert "set stands beside a golden" in check(bench, 'set = ["2.width=8"]\n[[assert]]\nfiles = 1\n').error
    assert check(bench, "[[assert]]\nfiles = 1\n").status == PASSED
