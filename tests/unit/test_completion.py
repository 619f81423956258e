"""What a shell completes, and that every command's help has an example."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from weft.cli import app, main

PROMPT: dict[str, Any] = {
    "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "weft-tiny.safetensors"}},
    "2": {"class_type": "CLIPTextEncode", "inputs": {"text": "x", "clip": ["1", 1]}, "_meta": {"title": "positive"}},
    "3": {"class_type": "CLIPTextEncode", "inputs": {"text": "y", "clip": ["1", 1]}},
}
Complete = Callable[..., list[str]]


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    inner = getattr(command, "commands", {})
    yield path, command
    for name, each in inner.items():
        yield from commands(each, (*path, name))


COMMANDS = [(path, command) for path, command in commands(typer.main.get_command(app))]


@pytest.mark.parametrize("command", [each for _, each in COMMANDS], ids=[" ".join(path) for path, _ in COMMANDS])
def test_every_help_has_an_example(command: Any) -> None:
    assert "Example" in (command.epilog or ""), "its epilog has none"


@pytest.fixture
def complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Complete]:
    monkeypatch.chdir(tmp_path)
    Path("w.json").write_text(json.dumps(PROMPT))

    def run(*words: str) -> list[str]:
        monkeypatch.setenv("_WEFT_COMPLETE", "complete_bash")
        monkeypatch.setenv("COMP_WORDS", "\n".join(["weft", *words]))
        monkeypatch.setenv("COMP_CWORD", str(len(words)))
        monkeypatch.setattr(sys, "argv", ["weft"])
        assert main() == 0
        out, err = capsys.readouterr()
        assert err == ""
        return out.split()

    yield run


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("vali",), ["validate"]),
        (("run", "w.json", "--set", "Checkp"), ["CheckpointLoaderSimple.ckpt_name="]),
        (("plan", "w.json", "--set", "2."), ["2.text="]),
        (("validate", "w.json", "--set", "3"), ["3.text="]),
        (("run", "w.json", "--set", "1"), []),
        (("run", "w.json", "--mute", ""), ["CheckpointLoaderSimple", "2", "3"]),
        (("run", "absent.json", "--set", "C"), []),
        (("run", "--set", "C"), []),
        (("run", "w.json", "--device", "cu"), ["cuda", "cuda:0"]),
        (("run", "w.json", "--seed", "r"), ["random"]),
        (("new", "x", "--template", "hires"), ["hires-fix"]),
        (("new", "x", "--format", ""), ["api", "ui"]),
        (("nodes", "CheckpointLoaderS"), ["CheckpointLoaderSimple"]),
    ],
    ids=str,
)
def test_what_is_completed(words: tuple[str, ...], expected: list[str], complete: Complete) -> None:
    assert complete(*words) == expected


def test_the_value_of_an_input_is_completed_too(complete: Complete) -> None:
    text = "CheckpointLoaderSimple.ckpt_name="
    assert f"{text}weft-tiny.safetensors" in complete("run", "w.json", "--set", text)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--set", "CheckpointLoaderSimple.ckpt_name", "=", "weft"), "weft-tiny.safetensors"),
        (("--set", "CheckpointLoaderSimple.ckpt_name", "="), "weft-tiny.safetensors"),
        (("--device", "cuda", ":"), "0"),
        (("--seed", "=", "ran"), "random"),
        (("--set", "CheckpointLoaderSimple.ckpt_name", "=", "a", "--seed", "ran"), "random"),
    ],
    ids=str,
)
def test_bash_divides_words_and_keeps_what_is_before(words: tuple[str, ...], expected: str, complete: Complete) -> None:
    assert complete("run", "w.json", *words) == [expected]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_for_a_shell_is_shown(
    shell: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("_WEFT_COMPLETE", f"source_{shell}")
    monkeypatch.setattr(sys, "argv", ["weft"])
    assert main() == 0
    assert "_WEFT_COMPLETE=complete_" + shell in capsys.readouterr().out
