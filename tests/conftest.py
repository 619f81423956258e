"""Fixtures shared by every test."""

from __future__ import annotations

import gc
import importlib.util
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from weft.engine.cache.memory import MemoryCache
from weft.engine.running.steps import Sharing

from .reference.store import made

# One thread a test process: several that each take every core stand in each other's way, at up to ten times the time.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# What a CI machine or a user's shell sets must not change what the tests see: only where the reference data lies.
for name in [name for name in os.environ if name.startswith("WEFT_") and name != "WEFT_SHARED"]:
    del os.environ[name]
for name in ("CI", "GITHUB_ACTIONS", "FORCE_COLOR", "PY_COLORS", "NO_COLOR"):
    os.environ.pop(name, None)

# A shared machine is as slow as it likes.
settings.register_profile("weft", deadline=None)
settings.load_profile("weft")

# Started in the background of a shell, the suite ignores Ctrl-C, and so would every process that it starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).resolve().parent.parent


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """What the suite itself is, a million objects that all stay, is looked through by no collection of garbage.

    A test that collects on purpose would take a second for it. So `gc.unfreeze` is for no test.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture(scope="module")
def left_behind() -> None:
    """What the tests before left in memory is looked through by no collection of garbage: for modules with many."""
    gc.collect()
    gc.freeze()


def shared_folder() -> Path:
    """Where the reference data lies: WEFT_SHARED, else ../shared beside the checkout."""
    return Path(os.environ.get("WEFT_SHARED") or ROOT.parent / "shared").resolve()


@pytest.fixture(scope="session")
def shared() -> Path:
    folder = shared_folder()
    if not folder.is_dir():
        pytest.skip("reference data absent: set WEFT_SHARED to its folder")
    return folder


@pytest.fixture(scope="session")
def parity() -> Path:
    """A folder with the `models/` and `input/` that the reference numbers were measured with."""
    return made()


@pytest.fixture(scope="session")
def random_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder with a checkpoint and a LoRA of random weights, for tests that need no reference.

    The UNet has one level and one layer, the least that is a UNet: a fifth of the time of the reference's tiny ones.
    """
    spec = importlib.util.spec_from_file_location("random_models", ROOT / "workflows" / "random_models.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    folder = tmp_path_factory.mktemp("models")
    least = {
        "layers_per_block": 1,
        "block_out_channels": (32,),
        "down_block_types": ("CrossAttnDownBlock2D",),
        "up_block_types": ("CrossAttnUpBlock2D",),
        "transformer_layers_per_block": (1,),
    }
    module.write_models(folder, module.tiny_shapes({**module.UNET, **least}, {**module.VAE, "layers_per_block": 1}))
    return folder


@pytest.fixture(scope="session")
def drawn_before() -> MemoryCache:
    """What the model that comes with Weft has drawn in this process: the documents' commands and graphs are alike."""
    return MemoryCache()


@pytest.fixture
def each_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Samplers share no steps: of two that are compared neither may go on from the other's."""
    monkeypatch.setattr(Sharing, "steps_of", lambda sharing, step, state: None)
