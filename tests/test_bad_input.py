"""Bad input gets an error that says what, where and what instead; nothing is guessed and nothing half-written is left.

Through the command line, as a user meets it: exit code and message.
"""

from __future__ import annotations

import json
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from weft.cli import main
from weft.engine.schema.registry import Registry
from weft.engine.schema.sockets import Files
from weft.engine.session import Session
from weft.engine.workflow.prompt import Prompt

WORKFLOWS = Path(__file__).resolve().parent.parent / "workflows"
Edit = Callable[[dict[str, Any]], Any]
REGISTRY = Registry.discover()


class Weft:
    """`weft run` in an empty folder, on the small random models."""

    def __init__(self, folder: Path, models: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.models = models
        self.capsys = capsys

    def run(self, text: str, *options: str) -> tuple[int, str]:
        """Exit code, and what stderr said in one line of single spaces."""
        file = self.folder / "workflow.json"
        file.write_text(text)
        arguments = [
            "run",
            str(file),
            "--no-cache",
            "--models",
            str(self.models),
            "--output",
            str(self.folder / "output"),
            *options,
        ]
        code = main([*arguments, "--device", "cpu"])
        return code, " ".join(self.capsys.readouterr().err.split())

    def edited(self, edit: Edit, name: str = "txt2img", *options: str) -> tuple[int, str]:
        """Run a tutorial workflow after a change."""
        prompt = json.loads((WORKFLOWS / f"{name}.api.json").read_text())
        edit(prompt)
        return self.run(json.dumps(prompt), *options)

    def wrote(self) -> list[str]:
        return [path.name for path in (self.folder / "output").rglob("*") if path.is_file()]


@pytest.fixture
def weft(
    tmp_path: Path, random_models: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Weft:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "1000")
    return Weft(tmp_path, random_models, capsys)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a cat, high quality", "is no JSON"),
        ('{"3": {"class_type": "KSampler"', "line 1, column"),
        ("[1, 2]", "expected a JSON object of nodes, got a list"),
        ("{}", "holds no nodes"),
        ('{"3": 4}', "/3: expected a node (an object with class_type), got a number"),
        ('{"3": {"inputs": {}}}', "class_type"),
        ('{"3": {"class_type": 7}}', "class_type"),
        ('{"3": {"class_type": "A", "inputs": []}}', "inputs"),
        ('{"3": {"class_type": "A"}, "3": {"class_type": "B"}}', "the key '3' stands twice"),
        ('{"a":' * 100_000 + "1" + "}" * 100_000, "nested too deeply"),
    ],
)
def test_no_workflow(weft: Weft, text: str, message: str) -> None:
    code, error = weft.run(text)
    assert code == 2
    assert message in error


def test_no_file(weft: Weft) -> None:
    assert main(["run", str(weft.folder / "absent.json")]) == 2


def replace(node_id: str, name: str, value: Any) -> Edit:
    return lambda prompt: prompt[node_id]["inputs"].__setitem__(name, value)


@pytest.mark.parametrize(
    ("edit", "messages"),
    [
        (
            lambda p: p["5"].__setitem__("class_type", "KSampeler"),
            ["node 5", "'KSampeler'", "did you mean 'KSampler'?"],
        ),
        (replace("5", "sampler_name", "eular"), ["node 5", "sampler_name", "'eular'", "did you mean 'euler'?"]),
        (replace("5", "steps", "many"), ["node 5", "steps", "many", "INT"]),
        (replace("5", "steps", 0), ["node 5", "Value 0 smaller than min of 1"]),
        (replace("5", "latent_image", ["2", 0]), ["node 5", "received_type(CONDITIONING) mismatch input_type(LATENT)"]),
        (replace("5", "latent_image", 7), ["node 5", "latent_image", "LATENT", "got 7"]),
        (lambda p: p["5"]["inputs"].pop("cfg"), ["node 5", "'cfg'", "Required input is missing"]),
        (replace("6", "vae", ["1", 7]), ["node 6", "no output slot 7", "2 VAE"]),
        (replace("6", "samples", ["55", 0]), ["node 6", "'55' does not exist"]),
        (replace("6", "samples", ["5"]), ["node 6", "length-2 list"]),
        (replace("5", "latent_image", ["5", 0]), ["Nodes wait for each other", '5 "KSampler" -> 5 "KSampler"']),
        (lambda p: p.pop("7"), ["Prompt has no outputs"]),
    ],
)
def test_invalid_workflow(weft: Weft, edit: Edit, messages: list[str]) -> None:
    code, error = weft.edited(edit)
    assert code == 3
    for message in messages:
        assert message in error
    assert not weft.wrote()


def test_every_problem_is_said_at_once(weft: Weft) -> None:
    def edit(prompt: dict[str, Any]) -> None:
        prompt["5"]["inputs"] |= {"steps": 0, "sampler_name": "x", "cfg": None}
        prompt["6"]["inputs"].pop("vae")

    code, error = weft.edited(edit)
    assert code == 3
    assert "4 problems" in error


def test_missing_checkpoint(weft: Weft) -> None:
    code, error = weft.edited(replace("1", "ckpt_name", "weft-tony.safetensors"))
    assert code == 4
    assert str(weft.models / "checkpoints") in error
    assert "did you mean 'weft-tiny.safetensors'?" in error


FILE_INPUTS = [
    (class_type, name)
    for class_type in REGISTRY
    for name, spec in REGISTRY[class_type].by_name.items()
    if isinstance(spec.socket, Files)
]
OUTSIDE = ["../secret", "a/../../secret", "..\\secret", "/etc/hostname", "C:\\secret"]


@pytest.mark.parametrize("path", OUTSIDE)
def test_no_file_input_leaves_its_folder(weft: Weft, path: str) -> None:
    """Every file input of every class: a node each, in one workflow, whose problems are asked for as a run does."""
    for place in (weft.models, weft.folder):
        (place / "secret").write_text("secret")
    nodes = {
        str(number): {"class_type": class_type, "inputs": {name: path}}
        for number, (class_type, name) in enumerate(FILE_INPUTS)
    }
    session = Session(registry=REGISTRY, models=(weft.models,), input=weft.folder)
    issues = session.issues(Prompt.parse(nodes), tuple(nodes))
    refused = [(issue.class_type, issue.input) for issue in issues if "leaves its folder" in str(issue)]
    assert refused == FILE_INPUTS
    assert len(refused) > 250


@pytest.mark.parametrize("path", OUTSIDE)
def test_no_file_is_read_outside_its_folder(weft: Weft, path: str) -> None:
    """The same, as a user meets it."""
    for place in (weft.models, weft.folder):
        (place / "secret").write_text("secret")
    code, error = weft.edited(replace("4", "image", path), "img2img", "--input", str(weft.folder))
    assert code == 3
    assert "leaves its folder" in error


@pytest.mark.parametrize("prefix", ["../stolen", "/tmp/stolen", "a/../../stolen", "C:\\stolen"])
def test_no_output_leaves_its_folder(weft: Weft, prefix: str) -> None:
    code, error = weft.edited(replace("7", "filename_prefix", prefix), "txt2img", "--set", "5.steps=1")
    assert code == 3
    assert "leaves its folder" in error
    assert "Load Checkpoint" not in error, "nothing was run"
    assert not weft.wrote()


def checkpoint(weft: Weft, make: Callable[[Path], Any], suffix: str = ".safetensors") -> tuple[int, str]:
    file = weft.folder / "models" / "checkpoints" / f"bad{suffix}"
    file.parent.mkdir(parents=True)
    make(file)
    return weft.edited(replace("1", "ckpt_name", file.name), "txt2img", "--models", str(weft.folder / "models"))


def another_family(file: Path) -> None:
    save_file({"double_stream_blocks.0.block.norm1_i.weight": torch.zeros(6, 2)}, file)


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return Path.write_text, (Path("pwned"), "pwned")


@pytest.mark.parametrize(
    ("make", "suffix", "message"),
    [
        (another_family, ".safetensors", "it is a HiDream model"),
        (lambda file: save_file({"lora_te_x.lora_up.weight": torch.zeros(2, 2)}, file), ".safetensors", "LoRA"),
        (lambda file: file.write_bytes(pickle.dumps(Evil())), ".safetensors", "pickle"),
        (lambda file: file.write_bytes(pickle.dumps(Evil())), ".ckpt", "bad.ckpt"),
        (lambda file: torch.save({"state_dict": Evil()}, file), ".ckpt", "bad.ckpt"),
        (lambda file: file.write_text("<!DOCTYPE html><html>404</html>"), ".safetensors", "HTML"),
        (lambda file: file.write_bytes(b""), ".safetensors", "empty"),
    ],
)
def test_no_checkpoint(weft: Weft, make: Any, suffix: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(weft.folder)
    code, error = checkpoint(weft, make, suffix)
    assert code == (3 if make is another_family else 1), "its header tells before the run"
    assert 'node 1 "Load Checkpoint"' in error
    assert "bad" in error
    assert message in error
    assert not (weft.folder / "pwned").exists(), "the pickle was run"


def test_truncated_checkpoint(weft: Weft) -> None:
    whole = (weft.models / "checkpoints" / "weft-tiny.safetensors").read_bytes()
    code, error = checkpoint(weft, lambda file: file.write_bytes(whole[: len(whole) // 2]))
    assert code == 1
    assert "bad.safetensors" in error
    assert "bytes" in error


def test_missing_key(weft: Weft) -> None:
    from safetensors.torch import load_file

    tensors = load_file(weft.models / "checkpoints" / "weft-tiny.safetensors")
    del tensors["model.diffusion_model.middle_block.1.norm.weight"]
    code, error = checkpoint(weft, lambda file: save_file(tensors, file))
    assert code == 1
    assert "1 missing key: 'model.diffusion_model.middle_block.1.norm.weight'" in error


def test_an_image_that_is_no_image(weft: Weft) -> None:
    (weft.folder / "apple.png").write_text("not a picture")
    code, error = weft.edited(lambda prompt: None, "img2img", "--input", str(weft.folder))
    assert code == 1
    assert 'node 4 "Load Image"' in error
    assert "apple.png" in error


def test_a_missing_image(weft: Weft) -> None:
    (weft.folder / "appel.png").write_text("")
    code, error = weft.edited(lambda prompt: None, "img2img", "--input", str(weft.folder))
    assert code == 4
    assert f"looked in {weft.folder}; did you mean 'appel.png'?" in error


def test_ctrl_c_while_sampling(weft: Weft) -> None:
    command = [sys.executable, "-m", "weft.cli", "run", str(WORKFLOWS / "txt2img.api.json"), "--no-cache"]
    options = ["--models", str(weft.models), "--output", "output", "--events", "--set", "5.steps=10000"]
    process = subprocess.Popen(
        [*command, *options], cwd=weft.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    events = []
    for line in process.stdout:
        events.append(json.loads(line))
        if events[-1]["event"] == "Progress" and events[-1]["value"] == 2:
            process.send_signal(signal.SIGINT)
            break
    # Not communicate: it would lose what was read ahead of the last line.
    assert process.stderr is not None
    with process.stdout, process.stderr:
        rest, error = process.stdout.read(), process.stderr.read()
    process.wait(timeout=300)
    assert process.returncode == 130, error
    assert "Traceback" not in error
    finished = [event for event in map(json.loads, rest.splitlines()) if event["event"] == "RunFinished"]
    assert [event["status"] for event in finished] == ["interrupted"]
    assert not weft.wrote()
