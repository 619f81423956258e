from __future__ import annotations

import json
import math
from typing import Any

import pytest

from weft.engine.documents import finite

INF = math.inf


@pytest.mark.parametrize(
    ("document", "expected", "places"),
    [
        ({"a": INF}, {"a": None}, ["/a"]),
        ({"a/b": [1, -INF, {"c~": math.nan}]}, {"a/b": [1, None, {"c~": None}]}, ["/a~1b/1", "/a~1b/2/c~0"]),
        ({"a": (1, INF)}, {"a": [1, None]}, ["/a/1"]),
        (INF, None, [""]),
    ],
)
def test_what_json_has_no_words_for_becomes_null(document: Any, expected: Any, places: list[str]) -> None:
    copy, found = finite(document)
    assert (copy, found) == (expected, places)
    json.dumps(copy, allow_nan=False)


def test_a_finite_document_is_itself() -> None:
    document = {"a": [1, 2.5, None, True, "NaN", 10**400], "b": {}}
    assert finite(document) == (document, [])
    assert finite(document)[0] is document
