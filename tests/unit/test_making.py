"""A picture that is run again is run as it was made."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

import weft
from weft.engine.context import RunContext
from weft.engine.schema.authoring import UI, node
from weft.engine.schema.registry import Registry
from weft.engine.schema.sockets import Int
from weft.engine.session import Session
from weft.nodes.core.settings import SAMPLING_VERSION as VERSION
from weft.nodes.diffusion.eras import ERAS, NEWEST

SAMPLING_VERSION = VERSION.number


@node(category="test", output_node=True)
def Show(*, value: Annotated[int, Int(default=1)], context: RunContext) -> UI:
    return UI(mode=[context.settings.sampling, context.settings.prompt_schedule], numbers=[context.settings.numbers])


REGISTRY = Registry().add([Show])
PROMPT = {"1": {"class_type": "Show", "inputs": {"value": 5}}}
WORKFLOW = weft.convert(PROMPT, to="ui", registry=REGISTRY)


def picture(made: Any = None, **texts: str) -> Path:
    info = PngInfo()
    given = {"prompt": json.dumps(PROMPT), "workflow": json.dumps(WORKFLOW)} | texts
    if made is not None:
        given["weft"] = json.dumps({"version": "0", "sampling_version": SAMPLING_VERSION, "numbers": NEWEST, **made})
    for name, value in given.items():
        info.add_text(name, value)
    Image.new("RGB", (8, 8)).save("p.png", pnginfo=info)
    return Path("p.png")


def ran(source: Any, **options: Any) -> tuple[list[Any], list[str]]:
    """The mode that a run had, and what was said about it."""
    result = weft.run(source, registry=REGISTRY, **options)
    told = [message for _, message in result.warnings if "schedule in it" not in message]
    mode: list[Any] = list(result.ui["1"]["mode"])
    return mode, told


CONTINUOUS = {"sampling": "continuous"}
SCHEDULED = {"sampling": "continuous", "prompt_schedule": True}


def test_a_picture_runs_in_the_mode_that_made_it() -> None:
    said = "it is run in continuous mode, as the file was made (else --sampling comfy)"
    assert ran(picture(CONTINUOUS)) == (["continuous", False], [said])
    mode, told = ran(picture(SCHEDULED))
    assert mode == ["continuous", True]
    assert told == [
        said,
        "it is run with its prompts read as schedules, as the file was made (else --no-prompt-schedule)",
    ]
    assert ran(picture({"sampling": "comfy"})) == (["comfy", False], [])
    assert ran(picture()) == (["comfy", False], [])


def test_a_picture_runs_with_the_numbers_that_made_it() -> None:
    """Those that do not say which are of the first era: they were made before there was another."""
    of_first = {"sampling": "comfy", "numbers": ERAS[0]}
    for made in (of_first, {"sampling": "comfy", "numbers": None}):
        result = weft.run(picture(made), registry=REGISTRY)
        assert result.ui["1"]["numbers"] == [ERAS[0]]
        assert [message for _, message in result.warnings] == [
            "it is run with the numbers of ComfyUI 0.3.64, as the file was made (else --numbers 0.33)"
        ]
    asked = weft.run(picture(of_first), registry=REGISTRY, numbers=NEWEST)
    assert asked.ui["1"]["numbers"] == weft.run(picture(), registry=REGISTRY).ui["1"]["numbers"] == [NEWEST]


def test_the_editor_s_workflow_does_too() -> None:
    session = Session(registry=REGISTRY)
    for source in (session.read(picture(SCHEDULED), ui=True), session.read(picture(SCHEDULED, prompt="{"))):
        assert session.settings_of(source.with_values({("1", "value"): 6})).prompt_schedule


def test_what_was_asked_for_goes_before_it() -> None:
    mode, told = ran(picture(SCHEDULED), sampling="comfy", prompt_schedule=False)
    assert mode == ["comfy", False]
    assert told == [
        "the file was made in continuous mode; it is run in comfy mode, as asked for",
        "the file was made with its prompts read as schedules; it is run with its prompts as they are, as asked for",
    ]
    assert ran(picture(CONTINUOUS), sampling="continuous") == (["continuous", False], [])


def test_the_environment_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or the same picture would give another one in another folder."""
    monkeypatch.setenv("WEFT_SAMPLING", "continuous")
    Path("weft.toml").write_text("prompt_schedule = true\n")
    assert ran(PROMPT)[0] == ["continuous", True]
    mode, told = ran(picture({"sampling": "comfy"}))
    assert mode == ["comfy", False]
    assert told == [
        "it is run in comfy mode, as the file was made (else --sampling continuous)",
        "it is run with its prompts as they are, as the file was made (else --prompt-schedule)",
    ]


def test_what_cannot_be_followed_is_said() -> None:
    mode, (told,) = ran(picture({"sampling": "comfy", "sampling_version": 99}))
    assert (mode, told) == (["comfy", False], f"the file was made with version 99 of the sampling modes' numbers, "
                                              f"this is {SAMPLING_VERSION}")  # fmt: skip
    mode, (told,) = ran(picture({"sampling": "dream"}))
    assert (mode, told) == (["comfy", False], "the file was made in a sampling mode that is not known here: 'dream'")
    mode, (told,) = ran(picture(weft="{"))
    assert "the sampling mode that made it is not known" in told


def test_a_workflow_file_forgets_it() -> None:
    session = Session(registry=REGISTRY)
    for to in ("api", "ui"):
        (note,) = session.convert(picture(SCHEDULED), to)[1]
        assert str(note).endswith("(run it with --sampling continuous --prompt-schedule)")
        assert session.convert(picture({"sampling": "comfy"}), to)[1] == []
    assert len(session.convert(picture(CONTINUOUS), "ui", ui=True)[1]) == 1


def test_validate_says_it_too() -> None:
    session = Session(registry=REGISTRY)
    assert [note.code for note in session.notes(session.read(picture(CONTINUOUS)))] == ["making"]
