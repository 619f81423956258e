"""The grammar of Manual XY Entry (efficiency.md section 5.4); the goldens man_* hold more."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.nodes.efficiency.axes.manual import MANUAL_KINDS, parse_axis
from weft.nodes.efficiency.values import NOTHING

A, B = "a.safetensors", "style/b.safetensors"
FILES = {
    "checkpoints": ("sd15/real vis.safetensors", "xl.safetensors"),
    "loras": (A, B),
    "vae": ("v.pt",),
}


def values(kind: str, text: str) -> list[Any]:
    axis = parse_axis(kind, text, FILES.__getitem__)
    assert axis.kind == kind
    return list(axis.values)


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("Seeds++ Batch", " 3 ;", [0, 1, 2]),
        ("Seeds++ Batch", "50", list(range(50))),
        ("Steps", "20;\n10;20;0;99999", [20, 10, 20, 1, 10000]),
        ("StartStep", "0;-3", [0, 0]),
        ("EndStep", "7.0", [7]),
        ("CFG Scale", "7.5; 1e2; 200", [7.5, 100.0, 100.0]),
        ("Denoise", "0.25;2", [0.25, 1.0]),
        ("Clip Skip", "-2;-1;3", [-2, -1, -1]),
        ("Sampler", "euler; dpmpp_2m , Karras", [("euler", None), ("dpmpp_2m", "karras")]),
        ("Sampler", "euler;heun,karras;,simple", [("euler", "simple"), ("heun", "karras")]),
        ("Scheduler", "karras;AYS SDXL;GITS", ["karras", "AYS SDXL", "GITS"]),
        ("VAE", "v.pt", ["v.pt"]),
        ("Positive Prompt S/R", "cat;dog; bird ", [("cat", None), ("cat", "dog"), ("cat", " bird ")]),
        ("Negative Prompt S/R", "cat", [("cat", None)]),
        ("Checkpoint", "xl.safetensors,-2", [("xl.safetensors", -2, None)]),
        ("Checkpoint", "sd15\\real vis.safetensors", [("sd15/real vis.safetensors", None, None)]),
        ("LoRA", "a.safetensors; style/b.safetensors,0.5", [((A, 1.0, 1.0),), ((B, 0.5, 1.0),)]),
        ("LoRA", "a.safetensors;a.safetensors,2;,0.7,-0.9", [((A, 0.7, -0.9),), ((A, 2.0, -0.9),)]),
    ],
)  # fmt: skip
def test_values(kind: str, text: str, expected: list[Any]) -> None:
    assert values(kind, text) == expected


def test_nothing_is_written_for_no_axis() -> None:
    assert parse_axis("Nothing", "whatever", FILES.__getitem__) == NOTHING


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        ("Steps", "", "entry 1 of 1 is empty"),
        ("Steps", "4;;5", "entry 2 of 3 is empty"),
        ("Steps", "4;x", "'x' is no number"),
        ("Steps", "4.5", "'4.5' is no whole number"),
        ("Steps", "inf", "'inf' is no number that can be used"),
        ("CFG Scale", "nan", "'nan' is no number that can be used"),
        ("Seeds++ Batch", "51", "expected one number of seeds, 1 to 50, got '51'"),
        ("Seeds++ Batch", "0", "expected one number of seeds"),
        ("Seeds++ Batch", "2;3", "expected one number of seeds, 1 to 50, got '2;3'"),
        ("Sampler", "eulr", "there is no sampler 'eulr'; did you mean 'euler'?"),
        ("Sampler", "euler,karas", "there is no scheduler 'karas'; did you mean 'karras'?"),
        ("Sampler", "euler,AYS SD1", "there is no scheduler 'ayssd1'"),
        ("Sampler", "euler,karras,3", "has 3 fields, expected 1 to 2"),
        ("Sampler", "euler,", "none of them empty"),
        ("Sampler", ",karras", "none of them empty"),
        ("Scheduler", "normal; karras", "there is no scheduler ' karras'"),
        ("VAE", "Baked VAE", "there is no file 'Baked VAE' in vae"),
        ("VAE", "w.pt", "did you mean 'v.pt'?"),
        ("Checkpoint", "xl.safetensors,-25", "clip skip -25 is not within -24 and -1"),
        ("LoRA", "a.safetensors,11", "strength 11.0 is not within -10.0 and 10.0"),
        ("LoRA", "a.safetensors;,1,2,3", "gives 4 fields, there are 3"),
    ],
)
def test_what_makes_no_sense_is_told(kind: str, text: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_axis(kind, text, FILES.__getitem__)
    assert message in str(caught.value)


@given(st.sampled_from(MANUAL_KINDS), st.text("aeul r;,.-0123456789\n", max_size=30))
def test_any_text_is_an_axis_or_told(kind: str, text: str) -> None:
    try:
        axis = parse_axis(kind, text, FILES.__getitem__)
    except ValueError as error:
        assert str(error)
    else:
        assert axis.kind == kind
        assert axis.values
