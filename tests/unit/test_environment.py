"""What stands in front of cache keys: what computes, with nothing left to be decided."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from weft import MemoryCache, Registry, Session
from weft.engine.errors import DefinitionError
from weft.engine.schema.packs import Pack, Packs
from weft.engine.settings import Settings
from weft.nodes.core import environment as module
from weft.nodes.core.environment import LIBRARIES, environment


def facts(**settings: Any) -> dict[str, Any]:
    return dict(Session(cache=MemoryCache(), **settings).packs.environment(Session(**settings).settings))


def namespace(**settings: Any) -> bytes:
    session = Session(cache=MemoryCache(), **settings)
    return session.namespace(session.settings)


def test_nothing_is_left_to_be_decided() -> None:
    found = facts(device="cpu")
    assert "auto" not in found.values()
    assert (found["builtin.device"], found["builtin.unet"]) == ("cpu", "float32")
    assert found["sampling"] == "comfy"
    assert all(found[f"builtin.{name}"] for name in LIBRARIES)


def test_what_is_the_same_shares_a_cache_and_what_is_not_does_not() -> None:
    assert namespace(device="cpu") == namespace(device="cpu", dtype="float32")
    assert len(namespace(device="cpu")) == 32
    others: list[dict[str, Any]] = [
        {},
        {"dtype": "float16"},
        {"dtype": "bfloat16"},
        {"sampling": "continuous"},
        {"missing_embeddings": "warn"},
    ]
    assert len({namespace(device="cpu", **each) for each in others}) == len(others)


def test_libraries_count(monkeypatch: pytest.MonkeyPatch) -> None:
    before = namespace(device="cpu")
    module._facts.cache_clear()
    monkeypatch.setattr(module, "version", lambda name: "99")
    try:
        assert namespace(device="cpu") != before
    finally:
        module._facts.cache_clear()


def test_without_a_cache_nobody_asks() -> None:
    def computes(settings: Settings) -> Mapping[str, str]:
        raise AssertionError("asked")

    registry = Registry(packs=Packs((Pack(environment=computes, name="p"),)))
    session = Session(registry=registry)
    assert session.namespace(session.settings) == b""
    cached = Session(registry=registry, cache=MemoryCache())
    with pytest.raises(DefinitionError, match="node pack 'p': its environment: AssertionError: asked"):
        cached.namespace(cached.settings)


@pytest.mark.parametrize(
    ("text", "knows"),
    [
        ("cuda: Optional[str] = None\nhip: Optional[str] = None\n", False),
        ("cuda = None\nhip = None\n", False),
        ("cuda: Optional[str] = '12.8'\nhip: Optional[str] = None\n", True),
        ("cuda = None\nhip = '6.2'\n", True),
        ("__version__ = '3'\n", True),
        (None, True),
    ],
)
def test_a_build_says_itself_whether_it_is_for_gpus(
    text: str | None, knows: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if text is not None:
        (tmp_path / "version.py").write_text(text)
    monkeypatch.setattr(module, "find_spec", lambda name: SimpleNamespace(origin=str(tmp_path / "__init__.py")))
    assert module.works_on_gpus() is knows


@pytest.mark.parametrize("dtype", ["auto", "float32", "float16", "bfloat16"])
def test_number_formats_are_those_of_the_networks(dtype: str) -> None:
    import torch

    from weft.nodes.diffusion.weights.memory import KINDS, resolve_dtype

    found = module._formats(dtype)
    assert found.keys() == set(KINDS)
    for kind, name in found.items():
        assert getattr(torch, name) is resolve_dtype(dtype, torch.device("cpu"), kind)


def test_a_gpu_that_is_not_there_is_still_no_cpu() -> None:
    settings = Session(device="cuda:7").settings
    assert environment(settings)["device"] == "cuda"


def test_the_cpu_needs_no_torch() -> None:
    code = (
        "import sys; from weft import Session, MemoryCache; s = Session(cache=MemoryCache(), device='cpu');"
        "s.namespace(s.settings); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
