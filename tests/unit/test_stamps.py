from __future__ import annotations

from typing import Any

import pytest
import torch

from weft.engine.stamps import changed, places_of, stamps_of
from weft.engine.values import Values


class Model:
    """Says what of it may be changed."""

    def __init__(self) -> None:
        self.options: dict[str, Any] = {"inner": {}}
        self.network: Any = object()

    @property
    def changeable(self) -> tuple[Any, ...]:
        return self.network, self.options


def test_what_is_left_alone_is_unchanged() -> None:
    model, tensor = Model(), torch.zeros(2)
    values = [1, "a", None, (tensor, {"a": [1, 2.5]}), Values([model, tensor]), object()]
    stamps = stamps_of(values)
    tensor + 1
    assert changed(stamps) == []
    assert len(stamps) >= 4


def test_containers() -> None:
    options, rows = {"strength": 1.0}, [[torch.zeros(1), {"area": 1}]]
    stamps = stamps_of([options, rows])
    options["strength"] = 2.0
    rows[0][1]["mask"] = None  # type: ignore[call-overload]
    assert {id(each) for each in changed(stamps)} == {id(options), id(rows[0][1])}


@pytest.mark.parametrize("view", [False, True])
def test_tensors(view: bool) -> None:
    tensor = torch.zeros(2, 2)
    seen = tensor[:1] if view else tensor
    stamps = stamps_of([{"samples": tensor}])
    seen += 1
    (found,) = changed(stamps)
    assert found is tensor
    assert places_of([found]) & places_of([tensor[1:]])
    assert not places_of([found]) & places_of([tensor.clone()])


def test_objects() -> None:
    model = Model()
    stamps = stamps_of([model])
    model.options["inner"]["patch"] = 1
    assert changed(stamps) == [model.options["inner"]]
    model.network = object()
    assert model in changed(stamps)


def test_what_is_made_for_inference_cannot_be_changed() -> None:
    with torch.inference_mode():
        tensor = torch.zeros(1)
    assert stamps_of([tensor]) == []


def test_circles_end() -> None:
    circle: list[Any] = []
    circle.append(circle)
    assert changed(stamps_of([circle])) == []
