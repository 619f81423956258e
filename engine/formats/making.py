"""How the file was made that a prompt comes from, and what that means for running it again.

A picture of Weft's own says in which mode it was made. It runs in that mode: what was given for the run goes before it,
what stands in the environment and in weft.toml does not, or the same picture would give another one elsewhere.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from weft.engine.context import SAMPLING_VERSION
from weft.engine.errors import Issue
from weft.engine.formats.workflow import Workflow
from weft.engine.settings import SAMPLING_MODES, Settings
from weft.engine.workflow.prompt import Prompt


def settings(prompt: Prompt, found: Settings, given: Collection[str]) -> Settings:
    """The settings that a prompt runs with, where `found` are in force and those called `given` were asked for."""
    said = {name: value for name, value in _said(prompt).items() if name not in given}
    return found.model_copy(update=said) if said else found


def notes(prompt: Prompt, found: Settings, given: Collection[str]) -> Iterator[Issue]:
    """What a user should know: the run is not as it was asked for, or the file not as it was made."""
    for name, value in _said(prompt).items():
        here = getattr(found, name)
        if value != here and name in given:
            yield Issue(
                "making", f"the file was made {_words(name, value)}; it is run {_words(name, here)}, as asked for"
            )
        elif value != here:
            flag = _FLAGS[name, here]
            yield Issue("making", f"it is run {_words(name, value)}, as the file was made", hint=f"else {flag}")
    version = prompt.made.get("sampling_version")
    if type(version) is int and version != SAMPLING_VERSION:
        message = f"the file was made with version {version} of the sampling modes' numbers, this is {SAMPLING_VERSION}"
        yield Issue("making", message)
    mode = prompt.made.get("sampling")
    if mode is not None and mode not in SAMPLING_MODES:
        yield Issue("making", f"the file was made in a sampling mode that is not known here: {str(mode)[:40]!r}")


def forgotten(loaded: Prompt | Workflow) -> Iterator[Issue]:
    """What a file has no place for that holds nothing but a workflow."""
    flags = [_FLAGS[name, value] for name, value in _said(loaded).items() if (name, value) not in _USUAL]
    if flags:
        message = "the picture says how it was made, a workflow file does not"
        yield Issue("making_forgotten", message, hint=f"run it with {' '.join(flags)}")


_FLAGS: Mapping[tuple[str, Any], str] = {
    ("sampling", "comfy"): "--sampling comfy",
    ("sampling", "continuous"): "--sampling continuous",
    ("prompt_schedule", True): "--prompt-schedule",
    ("prompt_schedule", False): "--no-prompt-schedule",
}
_USUAL = {("sampling", "comfy"), ("prompt_schedule", False)}


def _said(loaded: Prompt | Workflow) -> dict[str, Any]:
    """The settings that the file was made with; none of a file that is not Weft's."""
    mode = loaded.made.get("sampling")
    if mode not in SAMPLING_MODES:
        return {}
    return {"sampling": mode, "prompt_schedule": loaded.made.get("prompt_schedule") is True}


def _words(name: str, value: Any) -> str:
    if name == "sampling":
        return f"in {value} mode"
    return "with its prompts read as schedules" if value else "with its prompts as they are"
