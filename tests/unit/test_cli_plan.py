"""`weft plan`: what would run, told before anything does; and what is found out before anything is sampled."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from weft.cli import main

Json = dict[str, Any]


def node(class_type: str, title: str = "", **inputs: Any) -> Json:
    return {"class_type": class_type, "inputs": inputs, **({"_meta": {"title": title}} if title else {})}


PROMPT: Json = {
    "1": node("CheckpointLoaderSimple", ckpt_name="c.safetensors"),
    "2": node("CLIPTextEncode", "first", text="red [apple:rabbit:8]", clip=["1", 1]),
    "3": node("CLIPTextEncode", text="", clip=["1", 1]),
    "4": node("EmptyLatentImage", width=64, height=64, batch_size=1),
    "5": node(
        "KSampler", model=["1", 0], positive=["2", 0], negative=["3", 0], latent_image=["4", 0], seed=7, steps=20,
        cfg=5.0, sampler_name="euler", scheduler="normal", denoise=1.0,
    ),
    "6": node("VAEDecode", samples=["5", 0], vae=["1", 2]),
    "7": node("SaveImage", images=["6", 0], filename_prefix="x"),
}  # fmt: skip


class Home:
    """An empty folder with a workflow and a checkpoint that nobody opens."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys
        (folder / "models" / "checkpoints").mkdir(parents=True)
        (folder / "models" / "checkpoints" / "c.safetensors").write_bytes(b"weights")

    def weft(self, *arguments: str, prompt: Json = PROMPT) -> tuple[int, str, str]:
        """Exit code, stdout, stderr."""
        Path("w.json").write_text(json.dumps(prompt))
        self.capsys.readouterr()
        code = main(list(arguments))
        return code, *self.capsys.readouterr()


@pytest.fixture
def home(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")
    return Home(tmp_path, capsys)


def test_an_ordinary_plan(home: Home) -> None:
    code, out, err = home.weft("plan", "w.json", "--target", "first")
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "7 nodes to run (not computed before)",
        "run     1  Load Checkpoint",
        '           ckpt_name="c.safetensors"',
        "run     2  first",
        '           text="red [apple:rabbit:8]"  clip<-1',
        "run     3  CLIP Text Encode (Prompt)",
        '           text=""  clip<-1',
        "run     4  Empty Latent Image",
        "           width=64  height=64  batch_size=1",
        "run     5  KSampler",
        "           model<-1  positive<-2  negative<-3  latent_image<-4  seed=7  steps=20  cfg=5.0",
        '           sampler_name="euler"  scheduler="normal"  denoise=1.0',
        "run     6  VAE Decode",
        "           samples<-5  vae<-1",
        "run     7  Save Image",
        '           images<-6  filename_prefix="x"',
    ]
    assert not Path("output").exists()


def test_a_schedule_is_shown_as_its_stages(home: Home) -> None:
    code, out, err = home.weft("plan", "w.json", "--prompt-schedule", "--set", "5.cfg=4")
    assert code == 0
    assert err == "warning: node 5: the whole run is sampled in continuous mode, as its prompt schedule asks for\n"
    lines = out.splitlines()
    assert lines[0] == "9 nodes to run (not computed before), sampled in continuous mode"
    start = lines.index("        5  KSampler becomes 4 nodes:")
    assert lines[start + 1 : start + 3] == [
        'run       5.stage2.2  first: "red rabbit"',
        '             text="red rabbit"  clip<-1',
    ]
    start = lines.index('run       5.stage2  KSampler: steps 8-20 "red rabbit"')
    assert lines[start + 1 : start + 4] == [
        '             model<-1  add_noise="disable"  noise_seed=7  steps=20  cfg=4.0  sampler_name="euler"',
        '             scheduler="normal"  positive<-5.stage2.2  negative<-3  latent_image<-5.stage1',
        '             start_at_step=8  end_at_step=10000  return_with_leftover_noise="disable"',
    ]
    assert sum("becomes" in line for line in lines) == 1


def test_json(home: Home) -> None:
    code, out, _ = home.weft("plan", "w.json", "--prompt-schedule", "--json")
    document = json.loads(out)
    assert (code, document["status"], document["settings"]) == (0, "planned", {"sampling": "continuous"})
    stages = {step["node_id"]: step for step in document["steps"] if step["class_type"] == "KSamplerAdvanced"}
    assert list(stages) == ["5.stage1", "5.stage2"]
    stage = stages["5.stage2"]
    assert (stage["part_of"], stage["action"], stage["reason"]) == ("5", "run", "not computed before")
    assert (stage["inputs"]["start_at_step"], stage["inputs"]["latent_image"]) == (8, ["5.stage1", 0])
    (note,) = document["notes"]
    assert (note["node_id"], note["type"]) == ("5", "sampling_mode")


def test_what_differs_is_said_of_each_node(home: Home) -> None:
    twin = {**PROMPT, "8": node("SaveImage", images=["6", 0], filename_prefix="x")}
    lines = home.weft("plan", "w.json", prompt=twin)[1].splitlines()
    assert lines[0] == "7 nodes to run (not computed before), 1 served by the cache or an equal node"
    assert "same    8  Save Image: as node 7" in lines


def test_the_environment_turns_schedules_on(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEFT_PROMPT_SCHEDULE", "1")
    assert "5.stage2" in home.weft("plan", "w.json")[1]
    monkeypatch.setenv("WEFT_PROMPT_SCHEDULE", "perhaps")
    code, _, err = home.weft("plan", "w.json")
    assert (code, "'prompt_schedule' is 'perhaps'" in err) == (2, True)


def test_nothing_to_cut(home: Home) -> None:
    code, out, err = home.weft("plan", "w.json", "--prompt-schedule", "--set", "2.text=plain")
    assert (code, out.splitlines()[0]) == (0, "7 nodes to run (not computed before)")
    assert err == "warning: no text that a KSampler is steered by has a prompt schedule in it: nothing was changed\n"


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--set", "2.text=[a:b", "--prompt-schedule"], 3, "node 2 \"first\", input 'text': character 1, '[a:b'"),
        (["--set", "5.steps=0"], 3, "Value 0 smaller than min of 1"),
        (["--set", "5.cfg=nan"], 2, "5.cfg: expected FLOAT, got 'nan'"),
        (["--set", "5.cfg=-inf"], 2, "5.cfg: expected FLOAT, got '-inf'"),
        (["--set", "1.ckpt_name=d.safetensors"], 4, "checkpoint 'd.safetensors' is not there"),
        (["--set", "7.filename_prefix=../x"], 3, "output name '../x' leaves its folder"),
        (["--set", "7.filename_prefix=/tmp/x"], 3, "output name '/tmp/x' leaves its folder"),
        (["--output", "w.json/out"], 2, "cannot write to the output folder"),
        (["--target", "9"], 2, "no node '9'"),
    ],
)
def test_what_is_found_out_before_anything_runs(home: Home, options: list[str], code: int, message: str) -> None:
    found, out, err = home.weft("plan", "w.json", *options)
    assert (found, out) == (code, "")
    assert message in " ".join(err.split())


def test_a_number_that_is_none_in_the_file(home: Home) -> None:
    prompt = {**PROMPT, "5": {**PROMPT["5"], "inputs": {**PROMPT["5"]["inputs"], "cfg": float("nan")}}}
    code, _, err = home.weft("validate", "w.json", prompt=prompt)
    assert code == 3
    assert "input 'cfg': Failed to convert an input value to a FLOAT value" in err


def test_a_prefix_with_a_folder_that_is_a_file(home: Home) -> None:
    Path("output").mkdir()
    Path("output/taken").touch()
    code, _, err = home.weft("plan", "w.json", "--set", "7.filename_prefix=taken/x")
    assert code == 2
    assert f"{Path.cwd()}/output/taken is no folder" in err


def test_an_output_folder_that_is_not_writable(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Path] = []

    def access(path: Path, mode: int) -> bool:
        asked.append(path)
        return False

    monkeypatch.setattr(os, "access", access)  # root may write everywhere
    code, _, err = home.weft("run", "w.json", "--output", "there", "--no-cache")
    assert code == 2
    assert asked == [Path.cwd()], "the folder itself is not there yet"
    assert f"cannot write to the output folder {Path.cwd()}/there: no permission to write to {Path.cwd()}" in err


def test_a_note_on_the_whole_workflow_names_no_node(home: Home) -> None:
    prompt = {"4": PROMPT["4"], "8": node("PreviewAny", source=["4", 0])}
    code, _, err = home.weft("run", "w.json", "--prompt-schedule", prompt=prompt)
    assert code == 0
    assert "warning: no text that a KSampler is steered by has a prompt schedule in it" in err


def test_a_gpu_that_is_not_there(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    code, out, err = home.weft("run", "w.json", "--device", "cuda")
    assert (code, out) == (2, "")
    assert "error: device 'cuda': " in err
    assert "Load Checkpoint" not in err
    assert home.weft("validate", "w.json")[0] == 0


@pytest.mark.parametrize("command", [("validate", "w.json"), ("plan", "w.json"), ("run", "w.json"), ("nodes",)])
def test_a_models_folder_that_is_not_there(
    command: tuple[str, ...], home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEFT_MODELS", f"models{os.pathsep}absent")
    code, out, err = home.weft(*command)
    assert (code, out) == (2, "")
    assert "the models folder absent does not exist" in err


def test_a_plan_with_its_memory(home: Home) -> None:
    code, out, _ = home.weft("plan", "w.json", "--memory", "--vram", "8G", "--no-cache")
    assert code == 0
    lines = out[out.index("Memory of the GPU") :].splitlines()
    found = [[part.strip() for part in line.split("  ") if part.strip()] for line in lines[1:5]]
    assert [words[1:3] for words in found] == [
        ["2", "first"], ["3", "CLIP Text Encode (Prompt)"], ["5", "KSampler"], ["6", "VAE Decode"],
    ]  # fmt: skip
    assert lines[5].startswith("peak 129 MiB of 8.0 GiB; ")
    code, out, _ = home.weft("plan", "w.json", "--memory", "--json", "--no-cache")
    document = json.loads(out)
    assert document["memory"]["budget"] is None
    assert [step["node_id"] for step in document["memory"]["steps"]] == ["2", "3", "5", "6"]
    code, _, err = home.weft("plan", "w.json", "--memory", "--vram", "8")
    assert (code, "expected a size such as 8G or 512M, got '8'" in err) == (2, True)
