"""What is loaded, and when: looking at a workflow never loads torch, and running one imports only the nodes it uses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
HEAVY = {"torch", "diffusers", "transformers", "scipy", "numpy", "PIL", "safetensors", "networkx", "yaml"}
HEAVY |= {"weft.engine.custom_nodes.joining", "weft.nodes.compat"}  # for those alone who use packs for ComfyUI

PROMPT: dict[str, Any] = {
    "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "c.safetensors"}},
    "2": {"class_type": "CLIPTextEncode", "inputs": {"text": "x", "clip": ["1", 1]}},
    "3": {"class_type": "EmptyLatentImage", "inputs": {"width": 64, "height": 64, "batch_size": 1}},
    "4": {
        "class_type": "KSampler",
        "inputs": {
            "model": ["1", 0], "positive": ["2", 0], "negative": ["2", 0], "latent_image": ["3", 0],
            "seed": 1, "steps": 1, "cfg": 1.0, "sampler_name": "euler", "scheduler": "normal", "denoise": 1.0,
        },
    },
    "5": {"class_type": "VAEDecode", "inputs": {"samples": ["4", 0], "vae": ["1", 2]}},
    "6": {"class_type": "SaveImage", "inputs": {"images": ["5", 0], "filename_prefix": "x"}},
}  # fmt: skip

SCHEDULE: dict[str, Any] = {
    "class_type": "KSamplerPromptSchedule",
    "inputs": {
        "model": ["1", 0], "clip": ["1", 1], "positive": "[a:b:0.5]", "negative": "c", "latent_image": ["3", 0],
        "add_noise": "enable", "noise_seed": 1, "steps": 4, "cfg": 1.0, "sampler_name": "euler", "scheduler": "normal",
        "start_at_step": 0, "end_at_step": 10_000, "return_with_leftover_noise": "disable",
    },
}  # fmt: skip

LOADED = """
import atexit, json, sys
atexit.register(lambda: open("loaded.json", "w").write(json.dumps(sorted(sys.modules))))
"""


def loaded(code: str, folder: Path) -> set[str]:
    """The modules that a fresh interpreter has loaded after this code, which must end with exit code 0."""
    environment = {**os.environ, "XDG_CACHE_HOME": str(folder), "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, "-c", LOADED + code]
    ended = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return set(json.loads((folder / "loaded.json").read_text()))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    fill(tmp_path)
    return tmp_path


def fill(folder: Path) -> None:
    """Write what the commands look at."""
    (folder / "models" / "checkpoints").mkdir(parents=True)
    (folder / "models" / "checkpoints" / "c.safetensors").touch()
    (folder / "w.json").write_text(json.dumps(PROMPT))
    bad = {**PROMPT, "7": {"class_type": "SavImage", "inputs": {}}}
    (folder / "bad.json").write_text(json.dumps(bad))
    (folder / "schedule.json").write_text(json.dumps({**PROMPT, "4": SCHEDULE}))


COMMANDS = [
    ("validate", "w.json"),
    ("validate", "w.json", "--json"),
    ("validate", "w.json", "--set", "4.seed=5"),
    ("validate", "w.json", "schedule.json"),
    ("lint", "w.json"),
    ("lint", "w.json", "--json"),
    ("lint", "w.json", "--fix"),
    ("lint", "--rules"),
    ("plan", "w.json"),
    ("plan", "w.json", "--memory", "--vram", "8G"),
    ("plan", "w.json", "--json", "--prompt-schedule", "--set", "2.text=[a:b:0.5]"),
    ("plan", "schedule.json"),
    ("sweep", "w.json", "--grid", "4.seed=0..3", "--dry-run"),
    ("sweep", "w.json", "--grid", "4.seed=0..3", "--dry-run", "--json"),
    ("nodes",),
    ("nodes", "--json"),
    ("nodes", "KSampler"),
    ("nodes", "image", "--gives", "MASK", "--markdown"),
    ("schema",),
    ("schema", "--format", "ui"),
    ("explain", "w.json", "w.json"),
    ("diff", "w.json", "w.json"),
    ("convert", "w.json", "--to", "python"),
    ("convert", "w.json", "--to", "ui"),
    ("stubs",),
    ("render", "w.json", "-o", "w.svg"),
    ("render", "w.json", "-o", "w.html"),
    ("render", "w.json", "-o", "w.md", "--set", "4.seed=5"),
    ("fmt", "w.json"),
    ("migrate", "w.json"),
    ("--help",),
    ("run", "--help"),
    ("serve", "--help"),
    ("test", "--help"),
    ("test", "check", "--help"),
]


LOOK = """
import sys
from weft.cli import main
loads, before = [], set()
for arguments in {commands!r}:
    code = main(list(arguments))
    loads.append([code, sorted(set(sys.modules) & {heavy!r} - before)])
    before.update(sys.modules)
open("loads.json", "w").write(json.dumps(loads))
"""


@pytest.fixture(scope="module")
def loads(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, ...], tuple[int, list[str]]]:
    """By command, its exit code and what is heavy that it loads, all of them one behind the other in one process."""
    folder = tmp_path_factory.mktemp("looking")
    fill(folder)
    loaded(LOOK.format(commands=COMMANDS, heavy=HEAVY), folder)
    found = json.loads((folder / "loads.json").read_text())
    return {command: (code, heavy) for command, (code, heavy) in zip(COMMANDS, found, strict=True)}


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_commands_that_only_look_load_nothing_heavy(
    arguments: tuple[str, ...], loads: dict[tuple[str, ...], tuple[int, list[str]]]
) -> None:
    assert loads[arguments] == (0, [])


def test_a_command_imports_no_other(folder: Path) -> None:
    code = "from weft.cli import main\nassert main(['fmt', 'w.json']) == 0"
    commands = {name for name in loaded(code, folder) if name.startswith("weft.engine.commands.")}
    assert commands == {"weft.engine.commands.fmt"}


def test_every_command_is_listed() -> None:
    from weft.engine.commands import NAMES

    files = (ROOT / "engine" / "commands").glob("*.py")
    assert sorted(NAMES) == sorted(file.stem for file in files if file.stem != "__init__")


def test_a_new_workflow_is_written_without_torch(folder: Path) -> None:
    code = "from weft.cli import main\nassert main(['new', 'n', '--template', 'lora-switch']) == 0"
    assert not {"torch", "diffusers", "transformers"} & loaded(code, folder)


def test_the_server_of_tools_loads_no_torch(folder: Path) -> None:
    code = (
        "import os\nos.close(0)\nos.open(os.devnull, os.O_RDONLY)\nfrom weft.cli import main\nassert main(['mcp']) == 0"
    )
    assert not {"torch", "diffusers", "transformers"} & loaded(code, folder)


def test_a_checkup_loads_nothing_heavy(folder: Path) -> None:
    code = "from weft.cli import main\nassert main(['doctor']) == 1  # the checkpoint is empty"
    assert HEAVY.isdisjoint(loaded(code, folder))


def test_an_invalid_workflow_is_refused_without_torch(folder: Path) -> None:
    code = "from weft.cli import main\nassert main(['run', 'bad.json']) == 3"
    assert not {"torch", "diffusers", "transformers"} & loaded(code, folder)


def test_without_a_golden_there_is_nothing_to_test_and_no_torch(folder: Path) -> None:
    code = "from weft.cli import main\nassert main(['test']) == 5\nassert main(['test', 'record', 'absent.json']) == 2"
    assert not {"torch", "diffusers", "transformers"} & loaded(code, folder)


@pytest.mark.parametrize(
    "code",
    [
        "import weft",
        "import weft\nfor name in weft.__all__:\n    getattr(weft, name)",
        "from weft import nodes",
        "from weft.nodes.core import conditioning, image, latent, loaders, mask, sampling, types",
        "import weft\nassert weft.validate('w.json') == []",
        "import weft\nweft.Graph.load('w.json').save('again.api.json')",
    ],
)
def test_importing_loads_nothing_heavy(code: str, folder: Path) -> None:
    found = loaded(code, folder)
    assert HEAVY.isdisjoint(found)


def test_importing_the_engine_imports_next_to_nothing(folder: Path) -> None:
    ours = {name for name in loaded("import weft", folder) if name.partition(".")[0] in ("weft", "pydantic")}
    assert ours == {"weft"}


RUN = """
import weft
result = weft.run({prompt!r}, targets={targets!r}, device="cpu")
"""


@pytest.mark.parametrize(
    ("prompt", "targets", "files"),
    [
        (
            {"1": {"class_type": "EmptyLatentImage", "inputs": {"width": 64, "height": 64, "batch_size": 1}}},
            ["1"],
            {"latent"},
        ),
        ({"1": {"class_type": "PreviewAny", "inputs": {"source": "a text"}}}, [], {"logic"}),
    ],
)
def test_a_run_imports_only_the_files_it_uses(
    prompt: dict[str, Any], targets: list[str], files: set[str], folder: Path
) -> None:
    found = loaded(RUN.format(prompt=prompt, targets=targets), folder)
    faces = {file.stem for file in (ROOT / "nodes" / "core").glob("*.py")} - {"__init__", "cells", "settings", "types"}
    # What a face takes from another one (`require`) is the only thing that may come along.
    assert {face for face in faces if f"weft.nodes.core.{face}" in found} - {"conditioning"} == files
    assert not {"diffusers", "transformers", "scipy"} & found


PICTURE = """
import json, sys
import weft
weft.run({graph!r}, overrides={{"KSampler.steps": 1}}, models={models!r}, device="cpu", output=".", targets=["7"])
from weft.nodes.diffusion.deferred import DEFERRED, _is_waiting
for name in [name for name in DEFERRED if _is_waiting(name)]:
    del sys.modules[name]
"""
# Modules of each library that a picture of Stable Diffusion 1.5 takes, some more than it does: a library's next version
# may have a few more, and a new way to all of them is hundreds.
BUDGET = {"torch": 850, "transformers": 160, "diffusers": 90, "huggingface_hub": 60, "scipy": 15}


def test_a_picture_of_stable_diffusion_takes_little_of_the_libraries(folder: Path) -> None:
    workflows = ROOT / "workflows"
    graph, models = str(workflows / "txt2img.api.json"), str(workflows / "models")
    found = loaded(PICTURE.format(graph=graph, models=models), folder)
    assert "diffusers.models.unets.unet_2d_condition" in found
    never = {"torch._dynamo", "torch._inductor", "sympy", "mpmath", "jinja2", "scipy"}
    assert not never & found
    taken = {library: sum(name.split(".")[0] == library for name in found) for library in BUDGET}
    assert {library: count for library, count in taken.items() if count > BUDGET[library]} == {}


def test_the_end_of_a_process_looks_through_nothing(folder: Path) -> None:
    end = "import gc\nassert not gc.get_objects()"
    code = f"import sys\nfrom weft.__main__ import main\nsys.argv = ['weft', 'nodes']\nassert main() == 0\n{end}"
    assert "weft.cli" in loaded(code, folder)


def test_what_ray_does_at_the_end_of_a_process_does_not_change_its_exit_code(folder: Path) -> None:
    """Its C++ may fail where the interpreter takes itself down: here an object does that goes at last."""
    late = "class Late:\n    def __del__(self, kill=os.kill, me=os.getpid()): kill(me, 11)\nsys.modules['ray'] = Late()"
    code = f"import atexit, os, sys\n{late}\natexit.register(print, 'told')\nsys.argv = ['weft', '--version']\n"
    code += "from weft.__main__ import main\nsys.exit(main())"
    ended = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True)
    assert (ended.returncode, ended.stdout.splitlines()[-1]) == (0, "told")


def test_this_test_would_notice(folder: Path) -> None:
    assert "sqlite3" in loaded("import sqlite3", folder)
    with pytest.raises(AssertionError):
        loaded("raise SystemExit(3)", folder)
