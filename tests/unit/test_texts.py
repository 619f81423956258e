from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.engine.formats.texts import MAX_BLOCKS, as_text, expand, fill_in

NOW = datetime(2024, 1, 2, 3, 4, 5)


def last_option(count: int) -> int:
    return count - 1


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("plain, (text:1.2) | with } marks", "plain, (text:1.2) | with } marks", "plain, (text:1.2) | with } marks"),
        ("a {red|green|blue} cat", "a red cat", "a blue cat"),
        ("{a|{b|c} d|e}", "a", "e"),
        ("{a|x {b|c {d|e}}}", "a", "x c e"),
        ("{single}", "single", "single"),
        ("{|b}{}", "", "b"),
        ("an {open|block {nested", "an open", "an block nested"),
        (r"\{a\|b\} {c|d}", "{a|b} c", "{a|b} d"),
        (r"{a\|b|c} \n \\ end\ ".rstrip(), r"a|b \n \\ end" + "\\", r"c \n \\ end" + "\\"),
        ("cat /* big\nred */ dog // tail {x|y}\nnext", "cat  dog \nnext", "cat  dog \nnext"),
        ("see http://example.org/{a|b}", "see http:", "see http:"),
        ("/* open {a|b}", "/* open a", "/* open b"),
    ],
)
def test_dynamic_prompts(text: str, first: str, last: str) -> None:
    assert expand(text) == first
    assert expand(text, last_option) == last


def test_choose_is_asked_once_a_block() -> None:
    asked: list[int] = []

    def choose(count: int) -> int:
        asked.append(count)
        return 0

    assert expand("{a|b} {c} {d|{e|f|g}|h|i}", choose) == "a c d"
    assert asked == [2, 1, 3, 4]


def test_deep_and_wide_blocks_cost_their_length() -> None:
    assert expand("{" * 50_000 + "x" + "}" * 50_000) == "x"
    assert expand("{x|" * 50_000) == "x"
    with pytest.raises(ValueError, match="over 100,000 choices"):
        expand("{" * (MAX_BLOCKS + 1))


@given(st.text("ab{}|\\/*\n ", max_size=40))
def test_any_text_expands(text: str) -> None:
    assert len(expand(text)) <= len(text)


WIDGETS = {("KSampler", "seed"): 5, ("Loader", "ckpt"): 'a/b\\c:"?.ckpt', ("KSampler", "cfg"): 8.0}


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("%date:yyyy-MM-dd hh:mm:ss%/x", "2024-01-02 03:04:05/x"),
        ("%date:yy d M h m s yyyyy%", "24 2 1 3 4 5 2024y"),
        ("%KSampler.seed%_%KSampler.cfg%", "5_8"),
        ("%Loader.ckpt%", "a_b_c___.ckpt"),
        ("%width% %nobody.seed% %KSampler.none%", "%width% %nobody.seed% %KSampler.none%"),
        ("%KSampler.seed.x% %date% 100%", "%KSampler.seed.x% %date% 100%"),
        ("50% of %date:dd%", "50% of %date:dd%"),  # the first two signs are a pair
    ],
)  # fmt: skip
def test_tokens(text: str, filled: str) -> None:
    assert fill_in(text, NOW, lambda node, widget: WIDGETS.get((node, widget))) == filled


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (7.0, "7"),
        (0.1, "0.1"),
        (-0.0, "0"),
        (1e-5, "0.00001"),
        (1.5e-7, "1.5e-7"),
        (1e21, "1e+21"),
        (1e20, "100000000000000000000"),
        (float("nan"), "NaN"),
        (float("-inf"), "-Infinity"),
        (2**64 - 1, "18446744073709551615"),
        ([1.0, "a"], "1,a"),
    ],
)
def test_values_as_javascript_writes_them(value: Any, text: str) -> None:
    assert as_text(value) == text
