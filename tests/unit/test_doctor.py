"""`weft doctor`: what it looks at, and that what is wrong is said, with what mends it, and in the exit code."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from weft.cli import main
from weft.engine.checkup import Checkup, Fact, facts_of
from weft.engine.folders import SHIPPED
from weft.engine.terminal import doctor

Doctor = Callable[..., tuple[int, list[dict[str, Any]]]]


@pytest.fixture
def weft(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Doctor:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))

    def run(*arguments: str) -> tuple[int, list[dict[str, Any]]]:
        code = main(["doctor", "--json", *arguments])
        document = json.loads(capsys.readouterr().out)
        assert document["status"] == ("faulty" if code else "sound")
        assert bool(code) == any(fact["wrong"] for fact in document["facts"])
        return code, document["facts"]

    return run


def test_where_nothing_is_wrong_it_says_what_there_is(
    weft: Doctor, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, facts = weft()
    assert code == 0, [fact for fact in facts if fact["wrong"]]
    assert {"weft", "torch", "tokenizer", "models", "output", "checkpoints", "packs", "cache", "worker"} <= {
        fact["name"] for fact in facts
    }
    found = {fact["name"]: fact["value"] for fact in facts}
    assert found["checkpoints"] == "1 Stable Diffusion 1.x"
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert "Versions\n  ok     weft" in out
    assert out.endswith("\nnothing is wrong\n")


def test_models_that_are_of_no_use_are_named_with_what_to_do(weft: Doctor, tmp_path: Path) -> None:
    tiny = SHIPPED / "checkpoints" / "weft-tiny.safetensors"
    files: dict[str, bytes] = {
        "checkpoints/good.safetensors": tiny.read_bytes(),
        "checkpoints/cut.safetensors": tiny.read_bytes()[:-100],
        "checkpoints/page.safetensors": b"<!DOCTYPE html><html>",
        "checkpoints/lora.safetensors": (SHIPPED / "loras" / "weft-pixel.safetensors").read_bytes(),
        "vae/not.safetensors": b"version https://git-lfs.github.com/spec/v1\n",
        "diffusion_models/quantised.safetensors": b"GGUF" + bytes(100),
    }
    for name, content in files.items():
        file = tmp_path / "m" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    code, facts = weft("--models", "m")
    wrong = {fact["name"]: (fact["value"], fact["mend"]) for fact in facts if fact["wrong"]}
    assert code == 1
    assert set(wrong) == set(files) - {"checkpoints/good.safetensors"}
    assert "is truncated" in wrong["checkpoints/cut.safetensors"][0]
    assert "HTML page" in wrong["checkpoints/page.safetensors"][0]
    assert wrong["checkpoints/lora.safetensors"] == ("it is a LoRA", "put it in loras/")
    assert "git lfs pull" in wrong["vae/not.safetensors"][0]
    assert "GGUF" in wrong["diffusion_models/quantised.safetensors"][0]


def test_a_setting_that_makes_no_sense_is_wrong(weft: Doctor, tmp_path: Path) -> None:
    (tmp_path / "weft.toml").write_text('modls = "x"\n')
    code, facts = weft()
    [fact] = [fact for fact in facts if fact["wrong"]]
    assert (code, fact["name"]) == (1, "settings")
    assert "unknown setting 'modls'" in fact["value"]
    assert fact["mend"] == "did you mean 'models'?"


def test_a_folder_that_cannot_be_written_to_is_wrong(weft: Doctor, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    code, facts = weft("--output", "taken/below")
    [fact] = [fact for fact in facts if fact["wrong"]]
    assert (code, fact["name"]) == (1, "output")
    assert "is no folder" in fact["value"]


def test_a_pack_that_does_not_load_is_wrong(weft: Doctor, tmp_path: Path) -> None:
    for name, code in (("fine", "NODE_CLASS_MAPPINGS = {}"), ("bad", "import no_such_module")):
        (tmp_path / "custom_nodes" / name).mkdir(parents=True)
        (tmp_path / "custom_nodes" / name / "__init__.py").write_text(code)
    code, facts = weft("--custom-nodes", "custom_nodes")
    wrong = [fact for fact in facts if fact["wrong"]]
    assert (code, [fact["name"] for fact in wrong]) == (1, ["bad"])
    assert "no_such_module" in wrong[0]["value"]


def test_a_cache_that_cannot_be_read_is_wrong(weft: Doctor, tmp_path: Path) -> None:
    from weft.engine.cache.disk import DiskCache

    cache = DiskCache(tmp_path / "cache" / "weft")
    cache.size()
    cache.close()
    assert weft()[0] == 0
    for file in cache.index.file.parent.glob(f"{cache.index.file.name}*"):
        file.unlink()
    cache.index.file.write_bytes(b"no database " * 1000)
    code, facts = weft()
    [fact] = [fact for fact in facts if fact["wrong"]]
    assert (code, fact["name"], fact["mend"]) == (1, "cache", "weft cache clear makes a new one")


def test_a_library_that_is_too_old_or_absent_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    needed = ["numpy>=999", "no-such-library>=1", "pillow", "no-such-extra; extra == 'drawing'"]
    monkeypatch.setattr(doctor, "requires", lambda name: needed)
    monkeypatch.setattr(doctor, "metadata", lambda name: _Metadata())
    facts = {fact.name: fact for fact in doctor._versions()}
    assert facts["numpy"].wrong and facts["numpy"].mend == "pip install 'numpy>=999'"
    assert facts["no-such-library"].value == "is not installed"
    assert not facts["weft[drawing]"].wrong
    assert "pip install 'weft[drawing]'" in facts["weft[drawing]"].value
    assert "pillow" not in facts


class _Metadata:
    def get_all(self, name: str) -> list[str]:
        return ["drawing"]


def test_little_space_is_wrong(weft: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(".")._replace(free=5 << 20)
    monkeypatch.setattr(shutil, "disk_usage", lambda place: usage)
    code, facts = weft()
    assert code == 1
    assert "5 MiB are free there" in next(fact["value"] for fact in facts if fact["name"] == "output")


def test_a_checkup_that_raises_and_devices_that_crash_are_facts(weft: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(Checkup):
        def facts(self) -> list[Fact]:
            raise ValueError("oh")

    [fact] = facts_of([("mine", Broken())], "facts")
    assert fact.wrong and "ValueError: oh" in fact.value
    monkeypatch.setattr("sys.executable", "/bin/false")
    code, facts = weft("--devices")
    [wrong] = [fact for fact in facts if fact["wrong"]]
    assert (code, wrong["section"], wrong["value"]) == (1, "Devices", "cannot be asked: exit code 1")
