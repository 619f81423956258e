r"""Prompt weights: the rules one by one, and a second, recursive reading of them as an oracle."""

from __future__ import annotations

import math
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weft.nodes.diffusion.text.prompt_weights import parse_weights


@pytest.mark.parametrize(
    ("text", "segments"),
    [
        ("", []),
        ("()", []),
        ("cat", [("cat", 1.0)]),
        ("a (cat) b", [("a ", 1.0), ("cat", 1.1), (" b", 1.0)]),
        ("(cat:1.3)", [("cat", 1.3)]),
        ("((cat:1.5) dog:0.8) bird", [("cat", 1.5), (" dog", 0.8), (" bird", 1.0)]),
        ("(a (b):2)", [("a ", 2.0), ("b", 2.0 * 1.1)]),
        ("(cat: dog:1.2)", [("cat: dog", 1.2)]),
        ("(:1.3)", [(":1.3", 1.1)]),
        ("(a::2)", [("a:", 2.0)]),
        ("(a:)", [("a:", 1.1)]),
        ("(a:b)", [("a:b", 1.1)]),
        ("(a:1e-1)(b: +1.5 )(c:-1)", [("a", 0.1), ("b", 1.5), ("c", -1.0)]),
        ("(a:inf)", [("a", math.inf)]),
        (r"\(a\) (b\):2)", [("(a) ", 1.0), ("b)", 2.0)]),
        (r"\\(a", [("\\(a", 1.0)]),
        (r"a \n [b] {c} BREAK <lora:x:1>", [(r"a \n [b] {c} BREAK <lora:x:1>", 1.0)]),
        ("a (cat", [("a ", 1.0), ("(cat", 1.0)]),
        ("(a (b)", [("a ", 1.1), ("(b", 1.1)]),
        ("((a)", [("(a", 1.1)]),
        ("((a:2) b:3", [("((a:2) b:3", 1.0)]),
        ("a) b", [("a) b", 1.0)]),
        ("a) (b)", [("a) (b)", 1.0)]),
        ("a) ((b) c)", [("a) (", 1.0), ("b", 1.1), (" c)", 1.0)]),
    ],
)
def test_rules(text: str, segments: list[tuple[str, float]]) -> None:
    assert parse_weights(text) == segments


def test_a_weight_may_be_no_number() -> None:
    [(text, weight)] = parse_weights("(x:nan)")
    assert text == "x" and math.isnan(weight)


def recursive(text: str) -> list[tuple[str, float]]:
    """The same rules, read as they are defined: pieces at depth zero, each group's inside again."""

    def pieces(text: str) -> list[str]:
        found, piece, depth = [], "", 0
        for letter in text:
            if letter == "(":
                if depth == 0:
                    found.append(piece)
                    piece = ""
                depth += 1
                piece += letter
            elif letter == ")":
                depth -= 1
                piece += letter
                if depth == 0:
                    found.append(piece)
                    piece = ""
            else:
                piece += letter
        return [each for each in [*found, piece] if each]

    def read(text: str, weight: float) -> list[tuple[str, float]]:
        segments = []
        for piece in pieces(text):
            if not (piece.startswith("(") and piece.endswith(")") and len(piece) > 1):
                segments.append((piece, weight))
                continue
            inside, own = piece[1:-1], weight * 1.1
            before, colon, number = inside.rpartition(":")
            if colon and before:
                try:
                    inside, own = before, float(number)
                except ValueError:
                    pass
            segments += read(inside, own)
        return segments

    hidden = text.replace("\\(", "\ue000").replace("\\)", "\ue001")
    return [(part.replace("\ue000", "(").replace("\ue001", ")"), weight) for part, weight in read(hidden, 1.0)]


@settings(max_examples=2000)
@given(st.text(alphabet="((())):1.\\ ab", max_size=24))
def test_equal_to_the_recursive_reading(text: str) -> None:
    assert parse_weights(text) == recursive(text)


@pytest.mark.parametrize("pattern", ["({})", "({}", "(({})", "(a{}):1", "(x {}:0.5)", "{})", ")({}"])
def test_any_depth_in_linear_time(pattern: str) -> None:
    before, after = pattern.split("{}")
    started = time.process_time()
    segments = parse_weights(before * 20_000 + "cat" + after * 20_000)
    assert time.process_time() - started < 5
    assert any("cat" in text for text, _ in segments)


def test_a_megabyte_of_groups() -> None:
    assert len(parse_weights("(cat:1.2) dog " * 70_000)) == 140_000
