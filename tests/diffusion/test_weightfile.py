"""Files of weights that lie: one error that names the file, before memory is taken."""

from __future__ import annotations

import json
import sys
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from weft.nodes.diffusion.errors import CheckpointError
from weft.nodes.diffusion.text.embeddings import load_embedding
from weft.nodes.diffusion.weights import weightfile
from weft.nodes.diffusion.weights.weightfile import WeightFile


def refused(path: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        WeightFile(path)
    message = str(caught.value)
    assert path.name in message
    assert "\n" not in message
    assert len(message) < 500
    return message


def safetensors(path: Path, header: Any, data: bytes = b"") -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


def entry(shape: Any = (), offsets: Any = (0, 4), dtype: Any = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


@pytest.mark.parametrize(
    "header",
    [
        {"a": entry(offsets=["0", "4"])},
        {"a": entry(), "b": entry(offsets=["0", 4])},
        {"a": entry(offsets=[0, None])},
        {"a": entry(offsets=[0])},
        {"a": entry(offsets=[0, 2, 4])},
        {"a": entry(offsets=[4, 0])},
        {"a": entry(offsets=[-4, 4])},
        {"a": entry(offsets=[0, 4.0])},
        {"a": entry(offsets=[False, True])},
        {"a": entry(offsets=[0, 10**30])},
        {"a": entry(offsets={"0": 4})},
        {"a": entry(shape="abc")},
        {"a": entry(shape=5)},
        {"a": entry(shape=[[1]])},
        {"a": entry(shape=[10**30])},
        {"a": [1, 2]},
        {"a": {**entry(), "shape": None}},
        {"a": {"dtype": "F32"}},
        {"__metadata__": [1]},
        {"__metadata__": {"a": 1}},
        {"__metadata__": "text", "a": entry()},
        {"__metadata__": None},
        b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"a":' + b'{"a":' * 50_000 + b"1" + b"}" * 50_001,
        b'{"a": ' + b"9" * 5000 + b"}",
        b'{"a": {"dtype": "F32", "shape": [NaN], "data_offsets": [0, 4]}}',
        b'{"a\xff": 1}',
    ],
    ids=lambda header: str(header)[:60],
)
def test_headers_that_describe_nothing(header: Any, tmp_path: Path) -> None:
    assert "its safetensors header is damaged" in refused(safetensors(tmp_path / "x.safetensors", header, b"\0" * 4))


@pytest.mark.parametrize("bad", [{"dtype": "F99"}, {"dtype": 3}, {"shape": [1 << 40, 1 << 40]}, {"shape": [2]}])
def test_headers_that_safetensors_refuses(bad: dict[str, Any], tmp_path: Path) -> None:
    path = safetensors(tmp_path / "x.safetensors", {"a": {**entry(shape=[1], offsets=[0, 4]), **bad}}, b"\0" * 4)
    assert "not a valid safetensors file" in refused(path)


def test_a_header_of_too_many_parts_is_not_parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json, "loads", lambda text: pytest.fail("it was parsed"))
    path = safetensors(tmp_path / "x.safetensors", b'{"a":[' + b"[]," * 2_500_000 + b"0]}")
    assert "header has over 4,000,000 parts" in refused(path)


def saved(path: Path, value: Any, **options: Any) -> Path:
    torch.save(value, path, **options)
    return path


def nested() -> dict[str, Any]:
    inside: dict[str, Any] = {}
    inside["s"] = inside
    return inside


def doubled() -> dict[str, Any]:
    inside: dict[str, Any] = {}
    for _ in range(40):
        inside = {"a": inside, "b": inside}
    return inside


def deep() -> dict[str, Any]:
    inside: dict[str, Any] = {"a": torch.ones(1)}
    for _ in range(300):
        inside = {"a": inside}
    return inside


WHOLE = torch.ones(40_000)
ODD: dict[str, tuple[Callable[[], Any], str]] = {
    "sparse": (lambda: {"a": torch.eye(8).to_sparse()}, "tensor 'a' is sparse"),
    "no numbers": (lambda: {"a": torch.empty(8, device="meta")}, "tensor 'a' is without numbers"),
    "quantised": (lambda: {"a": torch.quantize_per_tensor(torch.ones(8), 0.1, 0, torch.qint8)}, "'a' is quantised"),
    "expanded": (lambda: {"a": torch.ones(1).expand(1 << 20, 1 << 20)}, "has the shape [1048576, 1048576], and not"),
    "shared": (lambda: {f"{place}": WHOLE[place:] for place in range(20)}, "its tensors come to more than"),
    "cyclic": (nested, "its dictionaries have no end"),
    "doubled": (doubled, "its dictionaries have no end"),
    "deep": (deep, "its dictionaries have no end"),
    "long number": (lambda: {10**5000: torch.ones(1)}, "is no torch file or damaged: Unsupported operand 139"),
    "no tensors": (lambda: {"a": 1}, "holds no tensors"),
    "a list": (lambda: [torch.ones(1)], "holds no tensors"),
}


@pytest.mark.filterwarnings("ignore")  # torch's own, of quantised and sparse tensors
@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("name", ODD)
def test_tensors_that_are_none(name: str, zipped: bool, tmp_path: Path) -> None:
    make, message = ODD[name]
    path = saved(tmp_path / "x.pt", make(), _use_new_zipfile_serialization=zipped)
    assert message in refused(path)
    with pytest.raises(CheckpointError):
        load_embedding(path, "clip_l", 8)


def test_tied_weights_are_read(tmp_path: Path) -> None:
    weight = torch.arange(8.0)
    path = saved(tmp_path / "x.pt", {"state_dict": {"a": weight, "b": weight, "c": {"d": weight[2:], 4: weight[:1]}}})
    assert list(WeightFile(path).shapes) == ["a", "b", "c.d", "c.4"]
    assert torch.equal(dict(WeightFile(path).tensors())["c.d"], weight[2:])


@pytest.mark.parametrize("record", ["data.pkl", "data/0"])
def test_a_compressed_record_is_not_inflated(record: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """torch inflates its description whole, whatever it comes to, and would map the rest as it is: other numbers."""
    monkeypatch.setattr(torch, "load", lambda *given, **more: pytest.fail("it was opened"))
    whole = saved(tmp_path / "whole.pt", {"a": torch.zeros(1000)})
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(tmp_path / "x.ckpt", "w") as target:
        for name in source.namelist():
            kind = zipfile.ZIP_DEFLATED if name.endswith(record) else zipfile.ZIP_STORED
            target.writestr(name, source.read(name), kind)
    assert f"{record}' is compressed, as torch.save never does" in refused(tmp_path / "x.ckpt")


def test_whatever_torch_raises_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path / "x.pt", {"a": torch.zeros(3)})
    for error in (RecursionError("deep"), TypeError("a\nb"), IndexError(), AssertionError("no"), ImportError("x")):

        def load(*given: Any, error: Exception = error, **more: Any) -> Any:
            raise error

        monkeypatch.setattr(torch, "load", load)
        assert "is no torch file or damaged" in refused(path)
    monkeypatch.setattr(torch, "load", lambda *given, **more: bytearray(1 << 62))
    assert "there is not enough memory to read it" in refused(path)


def test_threads_may_read_at_once(tmp_path: Path) -> None:
    """What torch allows in a pickle is the process's: the names of one reader must not be taken from another."""

    leftover = weightfile._stand_in(weightfile._LEFTOVERS[0])
    path = tmp_path / "x.ckpt"
    with pytest.MonkeyPatch.context() as patched:
        for name in ("pytorch_lightning", "pytorch_lightning.callbacks", leftover.__module__):
            module = ModuleType(name)
            module.ModelCheckpoint = leftover  # type: ignore[attr-defined]
            patched.setitem(sys.modules, name, module)
        torch.save({"a": torch.ones(2), "callbacks": leftover()}, path)
    failures: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(20):
                assert list(WeightFile(path).shapes) == ["a"]
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
