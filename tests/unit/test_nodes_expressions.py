"""Evaluate Integers, Floats and Strings: the original's results, and that no expression gets out of its bounds."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from weft.nodes.core.evaluation import ExpressionError, evaluate
from weft.nodes.efficiency.expressions import EvaluateFloats, EvaluateIntegers, EvaluateStrings

from ..reference.store import Golden, goldens

NODES = {"Evaluate Integers": EvaluateIntegers, "Evaluate Floats": EvaluateFloats, "Evaluate Strings": EvaluateStrings}


def run(golden: Golden) -> Any:
    (node,) = golden.prompt.values()
    return NODES[node["class_type"]](**node["inputs"])


@pytest.mark.parametrize("name", [name for name in goldens("efficiency") if name.startswith("eval_")])
def test_goldens(name: str) -> None:
    golden = goldens("efficiency")[name]
    expected = golden.values
    result = run(golden)
    assert [*result] == [*expected.values()]
    assert list(map(type, result)) == list(map(type, expected.values()))


@pytest.mark.parametrize(("name", "message"), [
    ("eval_floats_div0", "'a / 0': float division by zero"),
    ("eval_floats_round", "Function 'round' not defined"),
    ("eval_integers_rand_names", "'zz' is not defined"),
    ("eval_strings_dunder", "access to __attributes"),
    ("eval_strings_fmt", "Tuple is not available"),
])  # fmt: skip
def test_what_the_original_refuses(name: str, message: str) -> None:
    with pytest.raises(ExpressionError, match=message):
        run(goldens("efficiency_crashes")[name])


@pytest.mark.parametrize("expression", [
    "__import__('os').system('touch exploded')", "import os", "exec('1')", "eval('1')", "open('exploded', 'w')",
    "().__class__.__bases__", "a.__class__.__mro__", "'{0.__class__}'.format(a)", "f'{a:{b}}'", "getattr(a, 'b')",
    "while True: pass", "[x for x in a]", "(x for x in a)", "lambda: 1", "(lambda f: f(f))(lambda f: f(f))", "x := 1",
    "a.format_map(a)", "str.__subclasses__()", "int.from_bytes(a)", "a.encode().decode()", "print(1)", "*a", "a; b",
])  # fmt: skip
def test_forbidden(expression: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ExpressionError):
        evaluate(expression, {"a": "Hello", "b": "}{0.__class__"}, {"len": len})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("expression", [
    "9**9**9**9", "2**10001", "(9**999)**999", "(-7)**99999", "1 << 99999", "(1 << 9999) << 9999", "2**9999 * 2**9999",
    "'a' * 10**9", "10**9 * 'a'", "(a * 90000) + (a * 90000)", "a.split('l') * 99999", "a.ljust(10**9)",
    "a.center(10**9)", "a.zfill(999999999)", "('\\t' * 90000).expandtabs(90000)", "a.join('y' * 100000)",
    "('x' * 90000).replace('x', 'y' * 90000)", "('x' * 90000).replace('', 'y' * 90000)", "f'{5:>99999999}'",
    "f'{1.5:.99999999f}'", "'%9999999999d' % 5", "'%.999999999f' % 1.5", "'%-+0 99999999d' % 5", "f'{5:0000000099999}'",
    "(" * 250 + "1" + ")" * 250, "-" * 3900 + "1", "+".join(["a"] * 1999), "a" * 5000, "1" + "0" * 4500,
])  # fmt: skip
def test_bounded(expression: str) -> None:
    started = time.process_time()
    with pytest.raises(ExpressionError):
        evaluate(expression, {"a": "Hello"}, {"len": len})
    # Not a measure of speed: without the bounds these take minutes or all memory.
    assert time.process_time() - started < 5.0


@pytest.mark.parametrize(("expression", "value"), [
    ("2 ** 9999 // 2 ** 9998", 2), ("0 ** 10 ** 9", 0), ("(-1) ** 99999", -1), ("2 ** -1", 0.5), ("1 << 5", 32),
    ("a.ljust(8) + '|'", "Hello   |"), ("a.replace('l', 'L')", "HeLLo"), ("', '.join(a.split('l'))", "He, , o"),
    ("f'{n:>5}|{x:.2f}'", "    7|1.50"), ("'%05d' % n", "00007"), ("'100 %% of %s' % a", "100 % of Hello"),
    ("a.upper().count('L')", 2), ("len(a) if n > 5 and not x > 2 else 0", 5), ("a[::-1]", "olleH"), ("a[-1]", "o"),
    ("a in 'no' or n", 7), ("int('12') + float('0.5')", 12.5), ("'\\d'", "\\d"), ("  n  ", 7),
    ("x.is_integer()", False),
])  # fmt: skip
def test_what_works(expression: str, value: Any) -> None:
    assert evaluate(expression, {"a": "Hello", "n": 7, "x": 1.5}, {"len": len}) == value


def test_random_numbers_are_the_same_each_time() -> None:
    first = [evaluate("rand()", {"a": seed}) for seed in range(20)]
    assert first == [evaluate("rand()", {"a": seed}) for seed in range(20)]
    assert len(set(first)) == 20
    assert all(0 <= value < 1 for value in first)
    assert {evaluate("randint(3)", {"a": seed}) for seed in range(40)} == {0, 1, 2}


@pytest.mark.parametrize(("expression", "message"), [
    ("'abc'", "gave 'abc', which is no whole number"), ("float('inf')", "gave inf, which is no whole number"),
    ("float('nan')", "which is no whole number"), ("(-8) ** 0.5", "which is no whole number"),
    ("int", "it gives a function, not its result"), ("", "expected one Python expression"),
    ("1 +", "expected one Python expression"),
])  # fmt: skip
def test_results_that_are_no_numbers(expression: str, message: str) -> None:
    with pytest.raises(ExpressionError, match=message):
        EvaluateFloats(python_expression=expression, print_to_console="False")


def test_results_are_shown_when_asked_for() -> None:
    result: Any = EvaluateIntegers(python_expression="a + 1", print_to_console="True", a=1)
    assert result == {"ui": {"text": ["2", "2.0", "2"]}, "result": (2, 2.0, "2")}
    text: Any = EvaluateStrings(python_expression="a", print_to_console="True", a="x")
    assert text == {"ui": {"text": ["x"]}, "result": ("x",)}
