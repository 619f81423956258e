"""What an input is, is said once: in the alias that many nodes share, or in the docstring of the one that has it."""

from __future__ import annotations

import inspect
import typing
from importlib import import_module
from pathlib import Path
from typing import Any

from weft.engine.schema.authoring import Tooltip, _marker, _read_docstring, is_marked
from weft.nodes import core, efficiency


def faces() -> dict[str, Any]:
    found = {}
    for package in (core, efficiency):
        for file in Path(str(package.__file__)).parent.glob("*.py"):
            module = import_module(f"{package.__name__}.{file.stem}") if file.stem != "__init__" else package
            for name, function in inspect.getmembers(module, is_marked):
                found[name] = function
    return found


def test_no_docstring_repeats_what_an_alias_says() -> None:
    shared = 0
    for name, function in faces().items():
        _, tooltips = _read_docstring(inspect.getdoc(function) or "")
        for parameter, annotation in typing.get_type_hints(function, include_extras=True).items():
            tip = _marker(annotation, (Tooltip,))
            shared += tip is not None
            assert tip is None or tooltips.get(parameter) != tip.text, f"{name}: {parameter}"
    assert shared > 100
