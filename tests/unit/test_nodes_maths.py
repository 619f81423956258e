"""Nodes on numbers. What an expression gives is Python's; sides of pictures are computed here from what they mean."""

from __future__ import annotations

import math
from typing import Any

import pytest

from weft.engine.formats.conversion import to_prompt
from weft.engine.formats.workflow import Workflow
from weft.engine.schema.registry import Registry
from weft.nodes.core.maths import RATIOS

REGISTRY = Registry.discover()


def call(class_type: str, **inputs: Any) -> tuple[Any, ...]:
    result: tuple[Any, ...] = REGISTRY.runnable(class_type).call(**inputs)
    return result


# The first are expressions of ComfyUI's own templates.
@pytest.mark.parametrize(
    ("expression", "values", "expected"),
    [
        ("max(5, round(a * 24)) + (5 - (max(5, round(a * 24)) % 17)) % 17", (5.0,), 124),
        ("a & -8", (1023,), 1016),
        ("a/2", (5,), 2.5),
        ("ceil(1.5 * log2(max(a, b))) + 2", (1024, 768), 17),
        ("a % b if b > 0 else 0", (7, 0), 0),
        ("a & ~1", (33,), 32),
        ("round (a * 24)", (1.5,), 36),
        ("(a // 32) * 32", (100,), 96),
        ("(a % 4 == 1) and ((b - 1) % 4 == 0)", (5, 9), True),
        ("a > 2048", (2048,), False),
        ("sum(values) * len", (1, 2, 3), None),
        ("sum(values) / 4", (1, 2, 3), 1.5),
        ("pow(a, 2) + int(-2.7) + a", (True,), 0),
        ("\n sin(0) + floor(-0.5)", (0,), -1),
    ],
)
def test_expressions(expression: str, values: tuple[float, ...], expected: float | None) -> None:
    given = {f"values.{name}": value for name, value in zip("abc", values, strict=False)}
    if expected is None:
        with pytest.raises(ValueError, match="'len' is not defined"):
            call("ComfyMathExpression", expression=expression, **given)
        return
    result = call("ComfyMathExpression", expression=expression, **given)
    assert result == (float(expected), int(expected), bool(expected))
    assert [*map(type, result)] == [float, int, bool]


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("", "expected one Python expression"),
        ("a +", "expected one Python expression"),
        ("a + b", "'b' is not defined"),
        ("1 / (a - 1)", "division by zero"),
        ("log(a - 1)", "math domain error|expected a positive input"),
        ("'a'", "gave a, expected a number"),
        ("1e308 * 10", "gave inf, expected a finite number"),
        ("10 ** 400", "expected a finite number"),
        ("pow(9, pow(9, 9))", "the limit is 10000"),
        ("rand()", "'rand' not defined"),
    ],
)
def test_expressions_that_give_no_number(expression: str, message: str) -> None:
    with pytest.raises(Exception, match=message) as error:
        call("ComfyMathExpression", expression=expression, **{"values.a": 1})
    assert getattr(error.value, "plain", False)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (3, (3.0, 3)),
        (-2.9, (-2.9, -2)),
        (True, (1.0, 1)),
        (False, (0.0, 0)),
        (" 12 ", (12.0, 12)),
        ("3.99", (3.99, 3)),
        ("1e3", (1000.0, 1000)),
        (str(2**60 + 1), (float(2**60), 2**60 + 1)),
    ],
)
def test_conversions(value: Any, expected: tuple[float, int]) -> None:
    assert call("ComfyNumberConvert", value=value) == expected


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("", "the text is empty"),
        ("1,5", "'1,5' is no number"),
        ("inf", "expected a finite number"),
        (math.nan, "expected a finite number"),
        ([1], "got list"),
    ],
)
def test_what_is_no_number(value: Any, message: str) -> None:
    with pytest.raises(Exception, match=message):
        call("ComfyNumberConvert", value=value)


@pytest.mark.parametrize(
    ("ratio", "megapixels", "multiple", "expected"),
    [
        ("1:1 (Square)", 1.0, 8, (1024, 1024)),
        ("16:9 (Widescreen)", 1.0, 8, (1368, 768)),  # 1365.3 x 768
        ("2:3 (Portrait Photo)", 1.0, 64, (832, 1280)),  # 836.1 x 1254.1
        ("21:9 (Ultrawide)", 0.1, 32, (480, 224)),  # 494.6 x 212.0
        ("9:16 (Portrait Widescreen)", 0.1, 128, (256, 384)),  # 242.9 x 431.8
    ],
)
def test_sides_of_a_picture(ratio: str, megapixels: float, multiple: int, expected: tuple[int, int]) -> None:
    assert call("ResolutionSelector", aspect_ratio=ratio, megapixels=megapixels, multiple=multiple) == expected


@pytest.mark.parametrize("ratio", RATIOS)
def test_the_sides_have_the_shape_that_the_name_says(ratio: str) -> None:
    width, height = call("ResolutionSelector", aspect_ratio=ratio, megapixels=4.0)
    columns, rows = map(int, ratio.split(" ")[0].split(":"))
    assert width % 8 == height % 8 == 0
    assert width / height == pytest.approx(columns / rows, rel=0.01)
    assert width * height == pytest.approx(4 * 1024 * 1024, rel=0.01)


def test_values_that_are_passed_on() -> None:
    assert call("CustomCombo", choice="b", index=1) == ("b", 1)
    assert call("SeedNode", seed=2**63 - 1) == (2**63 - 1,)


def test_colours() -> None:
    assert call("ColorToRGBInt", color="#FF8001") == (0xFF8001, "#FF8001", 1.0)
    assert call("ColorToRGBInt", color="#0102037f") == (0x010203, "#010203", 127 / 255)
    for wrong in ("red", "#fff", "#gg0000", "#ff00 00", 5):
        with pytest.raises(Exception, match="a colour is #RRGGBB"):
            call("ColorToRGBInt", color=wrong)


def test_the_texts_that_a_save_lists_are_the_browsers_affair() -> None:
    node = {"id": 1, "type": "CustomCombo", "mode": 0, "widgets_values": ["b", 1, "a", "b", ""], "inputs": []}
    workflow = Workflow.parse({"nodes": [node], "links": [], "version": 0.4})
    prompt = to_prompt(workflow, REGISTRY)
    assert prompt.nodes["1"].inputs == {"choice": "b", "index": 1}
    assert not prompt.notes
