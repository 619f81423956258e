"""Classes that change what they are given: as in ComfyUI, others see it. It is said, and no cache has it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import weft
from weft import DiskCache, MemoryCache, Registry
from weft.nodes.diffusion.weights.patcher import ModelPatcher

from .conftest import graph_of


class Give:
    RETURN_TYPES = ("BOX",)
    FUNCTION = "run"
    CATEGORY = "test"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {"value": ("INT", {"default": 0})}}

    def run(self, value: int) -> tuple[dict[str, int]]:
        return ({"value": value},)


class Change(Give):
    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {"box": ("BOX",)}}

    def run(self, box: dict[str, int]) -> tuple[dict[str, int]]:  # type: ignore[override]
        box["value"] += 100
        return (box,)


class Read(Give):
    RETURN_TYPES = ("INT",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {"box": ("BOX",), "after": ("*",)}}

    def run(self, box: dict[str, int], after: Any) -> tuple[int]:  # type: ignore[override]
        return (box["value"],)


CLASSES = {"Give": Give, "Change": Change, "Read": Read}
ALONE = {"1": ("Give", {"value": 5}), "2": ("Change", {"box": ["1", 0]}), "3": ("Read", {"box": ["2", 0], "after": 1})}
BESIDE = {**ALONE, "4": ("Read", {"box": ["1", 0], "after": ["2", 0]})}


@pytest.fixture(params=[None, MemoryCache, DiskCache])
def cache(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    kind = request.param
    return kind(tmp_path / "kept") if kind is DiskCache else kind and kind()


def test_each_run_gives_what_the_first_gave(cache: Any) -> None:
    registry = Registry().add(CLASSES)
    for after in range(3):
        graph = graph_of({**ALONE, "3": ("Read", {"box": ["2", 0], "after": after})})
        result = weft.run(graph, registry=registry, cache=cache, targets=["3"])
        assert (result["3"], result.warnings) == ((105,), ())


def test_what_others_see_is_said_and_not_kept(cache: Any) -> None:
    registry = Registry().add(CLASSES)
    message = 'changed in place what it got: what takes from node 1 "Give" after it gets the changed value'
    for _ in range(2):
        result = weft.run(graph_of(BESIDE), registry=registry, cache=cache, targets=["3", "4"])
        assert (result["3"], result["4"]) == ((105,), (105,))
        assert result.warnings == (("2", message),)
    clean = {"1": BESIDE["1"], "4": ("Read", {"box": ["1", 0], "after": ["1", 0]})}
    assert weft.run(graph_of(clean), registry=registry, cache=cache, targets=["4"])["4"] == (5,)


def test_a_failure_after_the_change_is_seen_too() -> None:
    class Fail(Change):
        def run(self, box: dict[str, int]) -> tuple[dict[str, int]]:  # type: ignore[override]
            super().run(box)
            raise ValueError("too late")

    cache, registry = MemoryCache(), Registry().add({**CLASSES, "Fail": Fail})
    with pytest.raises(weft.NodeError, match="too late"):
        weft.run(
            graph_of({"1": BESIDE["1"], "2": ("Fail", {"box": ["1", 0]})}),
            registry=registry,
            cache=cache,
            targets=["2"],
        )
    graph = graph_of({"1": BESIDE["1"], "4": ("Read", {"box": ["1", 0], "after": 1})})
    assert weft.run(graph, registry=registry, cache=cache, targets=["4"])["4"] == (5,)


def test_what_a_pack_may_set_on_a_model_without_a_clone_is_known() -> None:
    model = ModelPatcher(object(), object(), object(), latent_format=object())  # type: ignore[arg-type]
    assert {id(each) for each in vars(model).values()} - {id(model.kind)} == {id(each) for each in model.changeable}
