"""Nodes on text. What they give is Python's own: str's methods, `re`, `str.format` and `json` are the reference."""

from __future__ import annotations

from typing import Any

import pytest

from weft.engine.errors import WeftError
from weft.engine.schema.registry import Registry

REGISTRY = Registry.discover()
ANY_CASE = {"case_insensitive": True, "multiline": False, "dotall": False}
LINES = "Aa1\nb22\nAA3"


def call(class_type: str, **inputs: Any) -> Any:
    (value,) = REGISTRY.runnable(class_type).call(**inputs)
    return value


@pytest.mark.parametrize(
    ("class_type", "inputs", "expected"),
    [
        ("StringSubstring", {"string": "abcdef", "start": 1, "end": 3}, "bc"),
        ("StringSubstring", {"string": "abcdef", "start": -2, "end": 99}, "ef"),
        ("StringSubstring", {"string": "abcdef", "start": 3, "end": 1}, ""),
        ("StringLength", {"string": "a\nß"}, 3),
        ("CaseConverter", {"string": "one twO", "mode": "UPPERCASE"}, "ONE TWO"),
        ("CaseConverter", {"string": "oNE twO", "mode": "lowercase"}, "one two"),
        ("CaseConverter", {"string": "oNE twO", "mode": "Capitalize"}, "One two"),
        ("CaseConverter", {"string": "oNE twO", "mode": "Title Case"}, "One Two"),
        ("StringTrim", {"string": " \na\t", "mode": "Both"}, "a"),
        ("StringTrim", {"string": " \na\t", "mode": "Left"}, "a\t"),
        ("StringTrim", {"string": " \na\t", "mode": "Right"}, " \na"),
        ("StringReplace", {"string": "a.a", "find": "a", "replace": "b."}, "b..b."),
        ("StringReplace", {"string": "ab", "find": "", "replace": "-"}, "-a-b-"),
        ("StringContains", {"string": "Apple", "substring": "apple", "case_sensitive": True}, False),
        ("StringContains", {"string": "Apple", "substring": "aPP", "case_sensitive": False}, True),
        ("StringCompare", {"string_a": "Ab", "string_b": "a", "mode": "Starts With", "case_sensitive": False}, True),
        ("StringCompare", {"string_a": "Ab", "string_b": "B", "mode": "Ends With", "case_sensitive": True}, False),
        ("StringCompare", {"string_a": "Ab", "string_b": "aB", "mode": "Equal", "case_sensitive": False}, True),
        ("JsonExtractString", {"json_string": 'Here: ```{"a": "x"}``` {"a": 2}', "key": "a"}, "x"),
        ("JsonExtractString", {"json_string": '{no {"a": {"b": [1, "c"]}}', "key": "a"}, "{'b': [1, 'c']}"),
        ("JsonExtractString", {"json_string": '{"a": null, "b": true}', "key": "a"}, ""),
        ("JsonExtractString", {"json_string": '{"a": null, "b": true}', "key": "b"}, "True"),
        ("JsonExtractString", {"json_string": '{"a": 1}', "key": "b"}, ""),
        ("JsonExtractString", {"json_string": "[1, 2]", "key": "a"}, ""),
        ("JsonExtractString", {"json_string": "{" * 3000, "key": "a"}, ""),
        ("StringFormat", {"f_string": "{{{a}}}: {b:.3f}", "values.a": 1, "values.b": 0.5}, "{1}: 0.500"),
        ("StringFormat", {"f_string": "none"}, "none"),
    ],
)  # fmt: skip
def test_texts(class_type: str, inputs: dict[str, Any], expected: Any) -> None:
    assert call(class_type, **inputs) == expected


@pytest.mark.parametrize(
    ("pattern", "flags", "expected"),
    [
        ("aa3", {}, True),
        ("aa3", {"case_insensitive": False}, False),
        ("^b", {}, False),
        ("^b", {"multiline": True}, True),
        ("1.b", {}, False),
        ("1.b", {"dotall": True}, True),
    ],
)
def test_whether_a_pattern_fits(pattern: str, flags: dict[str, bool], expected: bool) -> None:
    assert call("RegexMatch", string=LINES, regex_pattern=pattern, **ANY_CASE | flags) is expected


@pytest.mark.parametrize(
    ("mode", "pattern", "group", "expected"),
    [
        ("First Match", r"(a+)(\d)", 1, "Aa1"),
        ("All Matches", r"(a+)(\d)", 1, "Aa1\nAA3"),
        ("First Group", r"(a+)(\d)", 2, "1"),
        ("All Groups", r"(a+)(\d)", 2, "1\n3"),
        ("All Groups", r"(a+)(\d)", 0, "Aa1\nAA3"),
        ("First Group", r"(a+)(\d)", 3, ""),
        ("First Group", r"(b)?(\d)", 1, ""),
        ("All Groups", r"(b)?\d\d?", 1, "b"),
        ("First Match", "z", 1, ""),
    ],
)
def test_what_a_pattern_finds(mode: str, pattern: str, group: int, expected: str) -> None:
    found = call("RegexExtract", string=LINES, regex_pattern=pattern, mode=mode, group_index=group, **ANY_CASE)
    assert found == expected


def test_replacing_by_a_pattern() -> None:
    assert call("RegexReplace", string=LINES, regex_pattern="a(.)", replace=r"\1-") == "a-1\nb22\nA-3"
    assert call("RegexReplace", string=LINES, regex_pattern="a", replace="", case_insensitive=False) == "A1\nb22\nAA3"
    assert call("RegexReplace", string=LINES, regex_pattern=r"\d", replace="", count=2) == "Aa\nb2\nAA3"


@pytest.mark.parametrize(
    ("class_type", "inputs", "message"),
    [
        ("RegexMatch", {"string": "a", "regex_pattern": "(", **ANY_CASE}, r"'\(' is no regular expression: missing \)"),
        ("RegexReplace", {"string": "a", "regex_pattern": "a", "replace": r"\2"}, "does not fit 'a': invalid group"),
        ("StringFormat", {"f_string": "{a} {c}", "values.a": 1}, "with a: 'c'"),
        ("StringFormat", {"f_string": "{a"}, "with nothing: expected '}'"),
        ("StringFormat", {"f_string": "{a._x}", "values.a": 1}, "asks for a private attribute"),
        ("StringFormat", {"f_string": "{a:d}", "values.a": "x"}, "Unknown format code"),
        (
            "StringFormat",
            {"f_string": "{a:>{b}}", "values.a": 1, "values.b": 10**9},
            "asks for more than 100,000 places",
        ),
        ("StringFormat", {"f_string": "{a:." + "9" * 5000 + "f}", "values.a": 1}, "asks for more than 100,000 places"),
        ("StringReplace", {"string": "a" * 10_000, "find": "a", "replace": "b" * 10_000}, "over 10,000,000 characters"),
        ("StringReplace", {"string": "a" * 10_000, "find": "", "replace": "b" * 10_000}, "over 10,000,000 characters"),
        ("RegexReplace", {"string": "a" * 9_999, "regex_pattern": ".*?", "replace": "b" * 9_999}, "over 10,000,000"),
        ("RegexReplace", {"string": "a", "regex_pattern": "b", "replace": r"\2"}, "does not fit 'b': invalid group"),
        (
            "RegexMatch",
            {"string": "a", "regex_pattern": "(" * 5000 + ")" * 5000, **ANY_CASE},
            "is no regular expression",
        ),
        ("JsonExtractString", {"json_string": '{"a":' * 5000, "key": "a"}, "nested too deeply"),
    ],
)
def test_what_cannot_be_done_is_said(class_type: str, inputs: dict[str, Any], message: str) -> None:
    with pytest.raises(WeftError, match=message):
        call(class_type, **inputs)
