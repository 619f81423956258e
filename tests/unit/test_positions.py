"""Where in a JSON text the values stand that pointers lead to."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from weft.engine.documents import pointer
from weft.engine.positions import positions, repeated

TEXT = """{
  "1": {"class_type": "X", "inputs": {"a": 1,
    "b/c": [1, {"d": "}]"}, []], "\\u00e9\\"": "x:y"}},

  "2": [[], [{}, {"e": null}]], "3": {}, "4": -1.5e3
}"""


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("", (1, 1)),
        ("/1", (2, 3)),
        ("/1/inputs/a", (2, 39)),
        ("/1/inputs/b~1c", (3, 5)),
        ("/1/inputs/b~1c/1/d", (3, 17)),
        ("/1/inputs/b~1c/2", (3, 29)),
        ('/1/inputs/é"', (3, 34)),
        ("/2/1/1/e", (5, 19)),
        ("/3", (5, 33)),
        ("/4", (5, 42)),
        ("/1/inputs/absent", (2, 28)),
        ("/3/inputs/absent", (5, 33)),
        ("/2/7", (5, 3)),
        ("/absent", (1, 1)),
    ],
)
def test_a_position_is_that_of_the_key_or_of_the_item_or_of_what_is_above(
    place: str, expected: tuple[int, int]
) -> None:
    assert positions(TEXT, {place, "/4"})[place] == expected


def test_every_pointer_of_a_document_leads_to_its_key_or_its_item() -> None:
    draw = random.Random(0)

    def made(levels: int) -> Any:
        kind = draw.randrange(4 if levels else 2)
        if kind == 2:
            return [made(levels - 1) for _ in range(draw.randrange(4))]
        if kind == 3:
            return {draw.choice('abc,:]}"\\/~') + str(number): made(levels - 1) for number in range(draw.randrange(4))}
        return draw.choice([1, -2.5, True, None, "", "a,b", '"{', "[:]", "\\", "line\nline"])

    def parts(value: Any, place: str, key: Any) -> list[tuple[str, Any]]:
        items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        inner = [found for name, item in items for found in parts(item, place + pointer(name), name)]
        return [(place, value if isinstance(key, int) or key is None else key), *inner]

    for _ in range(100):
        document = {"x": made(4), "y": made(3)}
        text = json.dumps(document, indent=draw.choice([None, 0, 2]))
        lines = text.split("\n")
        wanted = parts(document, "", None)
        found = positions(text, {place for place, _ in wanted})
        for place, begins in wanted:
            line, column = found[place]
            rest = "\n".join([lines[line - 1][column - 1 :], *lines[line:]])
            assert json.JSONDecoder().raw_decode(rest)[0] == begins


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a": 1, "a": 2}', (1, 10)),
        ('{"b": {"a": 1},\n "a": [{"a": "a"}],\n  "a": 2}', (3, 3)),
        ('{"x": [{"a": 1,\n"\\u0061": 2}], "a": 1}', (2, 1)),
    ],
)
def test_a_key_that_stands_twice_is_found_in_its_object(text: str, expected: tuple[int, int]) -> None:
    assert repeated(text, "a") == expected
