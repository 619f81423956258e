"""The training of Weft's own model can be stopped anywhere, and `make model` goes from drawings to the files.

That what comes out of a whole training draws well, tests/test_tiny_model.py shows on the committed files.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

ROOT = Path(__file__).resolve().parents[1]
MODELS = ROOT / "workflows" / "models"
MADE = (
    "checkpoints/weft-tiny.safetensors",
    "embeddings/weft-white.safetensors",
    "loras/weft-pixel.safetensors",
    "training/judge.safetensors",
)


@pytest.fixture(scope="module")
def loop() -> Any:
    """The training loop, which is not installed."""
    sys.path.insert(0, str(MODELS / "training"))
    try:
        yield importlib.import_module("loop")
    finally:
        sys.path.remove(str(MODELS / "training"))


def trained(loop: Any, state: Path, stop_at: int | None = None) -> dict[str, torch.Tensor]:
    """Eight steps of a small network; where it is told to stop, Ctrl-C is pressed in the middle of that step."""
    torch.manual_seed(0)
    layer = torch.nn.Linear(3, 2)
    run = loop.Run(state, {"layer": layer}, steps=8, rate=0.1)
    for step in run:
        if step == stop_at:
            raise KeyboardInterrupt
        values = torch.randn(4, 3, generator=torch.Generator().manual_seed(step))
        run.update(layer(values).square().mean())
    return {**run.average, **{f"last/{name}": value.detach() for name, value in layer.named_parameters()}}


def test_a_run_that_was_stopped_ends_where_an_unbroken_one_does(
    loop: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(loop, "SAVE_EVERY", -1.0)
    whole = trained(loop, tmp_path / "whole.state")
    with pytest.raises(KeyboardInterrupt):
        trained(loop, tmp_path / "parts.state", stop_at=5)
    parts = trained(loop, tmp_path / "parts.state")
    assert "parts: taken up at step 5/8" in capsys.readouterr().out
    assert whole.keys() == parts.keys()
    assert all(torch.equal(value, parts[name]) for name, value in whole.items())
    again = trained(loop, tmp_path / "parts.state")
    assert all(torch.equal(value, parts[name]) for name, value in again.items()), "a finished run trains on"


def test_a_file_is_never_there_half_written(loop: Any, tmp_path: Path) -> None:
    def stopped(partial: Path) -> None:
        partial.write_text("half of it")
        raise KeyboardInterrupt

    file = tmp_path / "some.state"
    loop.write_atomically(file, lambda partial: partial.write_text("all of it"))
    with pytest.raises(KeyboardInterrupt):
        loop.write_atomically(file, stopped)
    assert [path.name for path in tmp_path.iterdir()] == ["some.state"]
    assert file.read_text() == "all of it"


def digests() -> dict[str, str]:
    return {name: hashlib.sha256((MODELS / name).read_bytes()).hexdigest() for name in MADE}


def make(target: str, trial: Path) -> subprocess.Popen[str]:
    """Start `make` as a terminal does, in a group of its own, with this environment in place of .venv."""
    stamp = trial.parent / "venv" / ".installed"
    stamp.parent.mkdir(exist_ok=True)
    stamp.touch()
    environment = {**os.environ, "WEFT_TRIAL": str(trial), "PYTHONPATH": str(ROOT / "src"), "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(
        ["make", f"VENV={stamp.parent}", f"BIN={Path(sys.executable).parent}", target],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")
def test_make_model_from_drawings_to_files_with_a_stop_between(tmp_path: Path) -> None:
    """A few steps of each phase; Ctrl-C while the decoder and the LoRA are trained side by side; then on to the end."""
    committed, trial = digests(), tmp_path / "trial"
    with make("model", trial) as first:
        assert first.stdout is not None
        for line in first.stdout:
            if "latents_pixel" in line:
                os.killpg(first.pid, signal.SIGINT)
                break
        assert first.wait(timeout=300) != 0
        with pytest.raises(ProcessLookupError):  # no job trains on behind make's back
            os.killpg(first.pid, signal.SIGKILL)
    assert not list(trial.rglob("*.part"))

    with make("model", trial) as second:
        told, _ = second.communicate(timeout=600)
    assert second.returncode == 0, told
    assert "vae_both: taken up at step 8/8" in told
    assert "unet: taken up at step 9/9" in told
    assert sorted(str(path.relative_to(trial)) for path in trial.rglob("*.safetensors")) == sorted(MADE)

    with make("model-check", trial) as check:
        told, _ = check.communicate(timeout=600)
    assert check.returncode == 0, told
    assert "right thing" in told
    assert digests() == committed, "a trial wrote over the model"
