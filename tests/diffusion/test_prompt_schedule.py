"""Texts and LoRA strengths over steps: the forms one by one, and texts built from what they say as an oracle."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import groupby

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weft.nodes.diffusion.text.prompt_schedule import (
    MAX_DEPTH,
    ScheduleError,
    Strengths,
    Stretch,
    parse_loras,
    parse_text,
    strengths_at,
    stretches,
)


def texts(text: str, steps: int = 20) -> list[tuple[int, int, str]]:
    """(first step, end, text) of each stretch."""
    schedule = parse_text(text)
    found = stretches([schedule.at(step, steps) for step in range(steps)])
    return [(start, end, words) for (start, end), words in found]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", [(0, 20, "")]),
        ("a red apple", [(0, 20, "a red apple")]),
        ("red [apple:rabbit:8]", [(0, 8, "red apple"), (8, 20, "red rabbit")]),
        ("red [apple:rabbit:0.5]", [(0, 10, "red apple"), (10, 20, "red rabbit")]),
        ("red [apple:rabbit:.25]", [(0, 5, "red apple"), (5, 20, "red rabbit")]),
        ("[a:b: 8 ]", [(0, 8, "a"), (8, 20, "b")]),
        ("[a:b:8.9]", [(0, 20, "a")]),
        ("[a:b:1]", [(0, 1, "a"), (1, 20, "b")]),
        ("[a:b:1.0]", [(0, 20, "a")]),
        ("[a:b:1.00001]", [(0, 20, "a")]),
        ("[a:b:1]", [(0, 1, "a"), (1, 20, "b")]),
        ("[a:b:0.0]", [(0, 20, "b")]),
        ("[a:b:0.999]", [(0, 19, "a"), (19, 20, "b")]),
        ("[a:b:0]", [(0, 20, "b")]),
        ("[a:b:20]", [(0, 20, "a")]),
        ("[a:b:10000]", [(0, 20, "a")]),
        ("x[ in:0.3]", [(0, 6, "x"), (6, 20, "x in")]),
        ("x[ out::0.7]", [(0, 14, "x out"), (14, 20, "x")]),
        ("[:b:0.3]", [(0, 6, ""), (6, 20, "b")]),
        ("[[a:b:4]:[c:d:16]:8]", [(0, 4, "a"), (4, 8, "b"), (8, 16, "c"), (16, 20, "d")]),
        ("[a [b:c:4]:d:8] [e:f:8]", [(0, 4, "a b e"), (4, 8, "a c e"), (8, 20, "d f")]),
        ("[(a:1.2):b:10]", [(0, 10, "(a:1.2)"), (10, 20, "b")]),
        ("([a:b:10]:1.2)", [(0, 10, "(a:1.2)"), (10, 20, "(b:1.2)")]),
        ("[((a:b):c:10):d:5]", [(0, 5, "((a:b):c:10)"), (5, 20, "d")]),
        ("[(a|b):c:5]", [(0, 5, "(a|b)"), (5, 20, "c")]),
        ("[embedding:ink:embedding:oil:5]", [(0, 5, "embedding:ink"), (5, 20, "embedding:oil")]),
        ("[an embedding:5]", [(0, 20, "[an embedding:5]")]),
        ("[not_embedding:5]", [(0, 5, ""), (5, 20, "not_embedding")]),
        # Brackets of another form are letters.
        ("[a]", [(0, 20, "[a]")]),
        ("[]", [(0, 20, "[]")]),
        ("[a:b]", [(0, 20, "[a:b]")]),
        ("[a: ]", [(0, 20, "[a: ]")]),
        ("[a:b:c:d]", [(0, 20, "[a:b:c:d]")]),
        ("[word [a:b:5]]", [(0, 5, "[word a]"), (5, 20, "[word b]")]),
        # So are parentheses that do not pair.
        ("a) (b [c:5]", [(0, 5, "a) (b "), (5, 20, "a) (b c")]),
        ("[;) [a:5]:b:10]", [(0, 5, ";) "), (5, 10, ";) a"), (10, 20, "b")]),
        # Escapes.
        (r"\[a:b:5\]", [(0, 20, "[a:b:5]")]),
        (r"[a\:b:c:5]", [(0, 5, "a:b"), (5, 20, "c")]),
        (r"[a\|b:c:5]", [(0, 5, "a|b"), (5, 20, "c")]),
        (r"\(a\) [\(:b:5]", [(0, 5, r"\(a\) \("), (5, 20, r"\(a\) b")]),
        (r"a\b \\ [x\y:5]", [(0, 5, r"a\b \\ "), (5, 20, r"a\b \\ x\y")]),
        ("two\nlines [a:b:5]\n", [(0, 5, "two\nlines a\n"), (5, 20, "two\nlines b\n")]),
    ],
)
def test_texts(text: str, expected: list[tuple[int, int, str]]) -> None:
    assert texts(text) == expected


def test_alternation() -> None:
    assert [parse_text("[a|b|]x").at(step, 6) for step in range(6)] == ["ax", "bx", "x", "ax", "bx", "x"]
    assert [parse_text("[[a|b]:c:3]").at(step, 4) for step in range(4)] == ["a", "b", "a", "c"]
    assert [parse_text("[a|[b:c:2]]").at(step, 4) for step in range(4)] == ["a", "b", "a", "c"]


@pytest.mark.parametrize(
    ("text", "changes"),
    [("a", False), ("[a]", False), (r"\[a:5\]", False), ("[a:5]", True), ("[a|b]", True), ("([x [a|b]])", True)],
)
def test_what_changes(text: str, changes: bool) -> None:
    assert parse_text(text).changes is changes


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("red [apple:rabbit:8", "character 5, '[apple:rabbit:8': '[' is never closed; write \\["),
        ("[a [b:5]", "character 1, '[a [b:5]': '[' is never closed"),
        ("[a (b", "character 1, '[a (b': '[' is never closed"),
        ("red apple] b", "character 10, '] b': ']' closes nothing; write \\]"),
        ("(a ] b)", "character 4, '] b)': ']' closes nothing"),
        ("[a|b:8]", "character 1, '[a|b:8]': the bracket has both '|' and ':'"),
        ("[a:b:c:8]", "character 1, '[a:b:c:8]': the bracket has 4 parts; write \\:"),
        ("[:) a:b:8]", "character 1, '[:) a:b:8]': the bracket has 4 parts"),
        ("[a:b:half]", "character 6, 'half]': expected the step of the change, such as 8 or 0.5"),
        ("[a:b:]", "character 6, ']': expected the step of the change"),
        ("[a:b:1e2]", "character 6, '1e2]': expected the step of the change"),
        ("[a:b:-2]", "character 6, '-2]': a step counts from 0, got -2"),
        ("[a:b:10001]", "character 6, '10001]': no run has more than 10000 steps, got 10001"),
        ("[a:b:" + "9" * 5000 + "]", "no run has more than 10000 steps, got 9999"),
        ("[(a:b:5]", "character 2, '(a:b:5]': '(' is not closed within its bracket; write \\("),
        ("one\ntwo [a:b:x]\n", "line 2, character 10, 'x]': expected the step"),
        ("[" * 5000, f"character {MAX_DEPTH + 2}"),
        ("(" * 5000 + "[a:5]", "brackets are nested more than 100 deep"),
    ],
)
def test_bad_texts(text: str, message: str) -> None:
    with pytest.raises(ScheduleError, match=re.escape(message)):
        parse_text(text)


# --- texts that are built together with what they say at each step

Says = Callable[[int, int], str]


def quoted(text: str) -> str:
    return re.sub(r"([\[\]:|])", r"\\\1", text)


WHENS = st.one_of(
    st.integers(0, 30).map(lambda step: (str(step), lambda steps: step)),
    st.integers(1, 99).map(lambda share: (f"0.{share:02}", lambda steps: int(float(f"0.{share:02}") * steps))),
)


def plain() -> st.SearchStrategy[tuple[str, Says]]:
    return st.text("ab,:|[]\n ", max_size=5).map(lambda text: (quoted(text), lambda step, steps: text))


def compound(inner: st.SearchStrategy[tuple[str, Says]]) -> st.SearchStrategy[tuple[str, Says]]:
    def sequence(items: Sequence[tuple[str, Says]]) -> tuple[str, Says]:
        return "".join(text for text, _ in items), lambda step, steps: "".join(says(step, steps) for _, says in items)

    def swap(parts: tuple[tuple[str, Says], tuple[str, Says], tuple[str, Callable[[int], int]]]) -> tuple[str, Says]:
        (before, said), (after, says), (when, switch) = parts
        return f"[{before}:{after}:{when}]", lambda step, steps: (said if step < switch(steps) else says)(step, steps)

    def comes(parts: tuple[tuple[str, Says], tuple[str, Callable[[int], int]]]) -> tuple[str, Says]:
        (text, says), (when, switch) = parts
        return f"[{text}:{when}]", lambda step, steps: says(step, steps) if step >= switch(steps) else ""

    def goes(parts: tuple[tuple[str, Says], tuple[str, Callable[[int], int]]]) -> tuple[str, Says]:
        (text, says), (when, switch) = parts
        return f"[{text}::{when}]", lambda step, steps: says(step, steps) if step < switch(steps) else ""

    def cycle(items: Sequence[tuple[str, Says]]) -> tuple[str, Says]:
        return f"[{'|'.join(text for text, _ in items)}]", lambda step, steps: items[step % len(items)][1](step, steps)

    def weigh(item: tuple[str, Says]) -> tuple[str, Says]:
        return f"({item[0]}:1.2)", lambda step, steps: f"({item[1](step, steps)}:1.2)"

    return st.one_of(
        st.lists(inner, max_size=3).map(sequence),
        st.tuples(inner, inner, WHENS).map(swap),
        st.tuples(inner, WHENS).map(comes),
        st.tuples(inner, WHENS).map(goes),
        st.lists(inner, min_size=2, max_size=3).map(cycle),
        inner.map(weigh),
        inner.map(lambda item: (f"[{item[0]}]", lambda step, steps: f"[{item[1](step, steps)}]")),
    )


@settings(max_examples=300)
@given(built=st.recursive(plain(), compound, max_leaves=8), steps=st.integers(1, 25), start=st.integers(0, 5))
def test_every_step_says_what_it_was_built_from(built: tuple[str, Says], steps: int, start: int) -> None:
    text, says = built
    schedule = parse_text(text)
    expected = [says(step, steps) for step in range(start, start + steps)]
    found = stretches([schedule.at(step, steps) for step in range(start, start + steps)], start)
    unrolled = [words for (first, end), words in found for _ in range(first, end)]
    assert unrolled == expected
    assert len(found) == sum(1 for _ in groupby(expected)), "neighbours that say the same are one stage"
    assert [stage.start for stage, _ in found] == [start, *(stage.end for stage, _ in found[:-1])]


def test_stretches() -> None:
    assert stretches([]) == []
    assert stretches(["a", "a", "b", "a"], 3) == [(Stretch(3, 5), "a"), (Stretch(5, 6), "b"), (Stretch(6, 7), "a")]


# --- LoRA tables


def strengths(table: str, steps: int = 20) -> dict[str, list[tuple[int, float, float]]]:
    """(first step, for the model, for the text encoders) by LoRA."""
    found = {}
    for lora in parse_loras(table):
        switches = lora.switches(steps)
        held = stretches([strengths_at(switches, step) for step in range(steps)])
        found[lora.name] = [(start, *values) for (start, _), values in held]
    return found


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ("", {}),
        (" \n\n", {}),
        ("a.safetensors: 0.8", {"a.safetensors": [(0, 0.8, 0.8)]}),
        ("a: 0.8 from 4", {"a": [(0, 0, 0), (4, 0.8, 0.8)]}),
        ("a: 0.8, 1 from 0.5, 0 from 18", {"a": [(0, 0.8, 0.8), (10, 1, 1), (18, 0, 0)]}),
        ("a:-.5/1.", {"a": [(0, -0.5, 1.0)]}),
        ("a: 0, 1 from 1.0", {"a": [(0, 0, 0)]}),
        ("a: 1 / 0 from 3 ,0.5/0.2 from 0.5", {"a": [(0, 0, 0), (3, 1, 0), (10, 0.5, 0.2)]}),
        ("sub/my lora, v2.safetensors: 1\n\nC:b: 0 , 1 from 1", {
            "sub/my lora, v2.safetensors": [(0, 1, 1)], "C:b": [(0, 0, 0), (1, 1, 1)],
        }),
        # Of two that begin at one step, the later one holds.
        ("a: 1, 0.5 from 0.5, 0.2 from 10", {"a": [(0, 1, 1), (10, 0.2, 0.2)]}),
    ],
)  # fmt: skip
def test_lora_tables(table: str, expected: dict[str, list[tuple[int, float, float]]]) -> None:
    assert strengths(table) == expected
    assert all(isinstance(value, Strengths) for lora in parse_loras(table) for _, value in lora.strengths)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("a.safetensors", "line 1: expected NAME: STRENGTH, STRENGTH from STEP, ..., got 'a.safetensors'"),
        (": 0.8", "line 1: expected NAME"),
        ("a: 1\na: 0.5", "line 2: 'a' stands in line 1 already"),
        ("\na:", "line 2: expected STRENGTH from STEP, such as 0.8 from 6, got ''"),
        ("a: 1,", "line 1: expected STRENGTH from STEP"),
        ("a: strong", "line 1: expected a strength such as 0.8, got 'strong'"),
        ("a: nan", "line 1: expected a strength such as 0.8, got 'nan'"),
        ("a: 1/x", "line 1: expected a strength such as 0.8, got 'x'"),
        ("a: 1, 0.5", "line 1: say from which step on '0.5' holds: 0.5 from 6"),
        ("a: 0.8 until 6", "line 1: expected STRENGTH from STEP, such as 0.8 from 6, got '0.8 until 6'"),
        ("a: 1 from start", "line 1: expected a step such as 8, or a share of the steps such as 0.5, got 'start'"),
        ("a: 1 from -1", "line 1: a step counts from 0, got -1"),
        ("a: 1, 0.5 from 12, 0 from 0.5", "line 1: 'from 0.5' is step 10, before the step 12"),
    ],
)
def test_bad_lora_tables(table: str, message: str) -> None:
    with pytest.raises(ScheduleError, match=re.escape(message)):
        strengths(table)
