"""How the file was made that a prompt comes from, and what that means for running it again.

A picture of Weft's own says in which mode it was made. It runs in that mode: what was given for the run goes before it,
what stands in the environment and in weft.toml does not, or the same picture would give another one elsewhere.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from weft.engine.errors import Issue
from weft.engine.formats.workflow import Workflow
from weft.engine.schema.packs import Packs
from weft.engine.settings import Setting, Settings
from weft.engine.workflow.prompt import Prompt


def settings(prompt: Prompt, found: Settings, given: Collection[str], packs: Packs) -> Settings:
    """The settings that a prompt runs with, where `found` are in force and those called `given` were asked for."""
    said = {name: value for name, value in _said(prompt, packs).items() if name not in given}
    return found.model_copy(update=said) if said else found


def notes(prompt: Prompt, found: Settings, given: Collection[str], packs: Packs) -> Iterator[Issue]:
    """What a user should know: the run is not as it was asked for, or the file not as it was made."""
    for name, value in _said(prompt, packs).items():
        here, setting = getattr(found, name), packs.settings[name]
        made, run = (setting.said(each) for each in (value, here))
        if value != here and name in given:
            yield Issue("making", f"the file was made {made}; it is run {run}, as asked for")
        elif value != here:
            yield Issue("making", f"it is run {made}, as the file was made", hint=f"else {setting.option(here)}")
    for name, number, of in packs.versions.values():
        version = prompt.made.get(name)
        if type(version) is int and version != number:
            yield Issue("making", f"the file was made with version {version} of {of}, this is {number}")
    for setting in packs.recorded.values():
        value = _recorded(prompt, setting)
        if value is not None and not _is_known(setting, value):
            message = f"the file was made in a {setting.label} that is not known here: {str(value)[:40]!r}"
            yield Issue("making", message)


def forgotten(loaded: Prompt | Workflow, packs: Packs) -> Iterator[Issue]:
    """What a file has no place for that holds nothing but a workflow."""
    said = ((packs.settings[name], value) for name, value in _said(loaded, packs).items())
    flags = [setting.option(value) for setting, value in said if value != setting.default]
    if flags:
        message = "the picture says how it was made, a workflow file does not"
        yield Issue("making_forgotten", message, hint=f"run it with {' '.join(flags)}")


def _said(loaded: Prompt | Workflow, packs: Packs) -> dict[str, Any]:
    """The settings that the file was made with; none of a file that is not Weft's, or says what is not known here."""
    found = {name: _recorded(loaded, setting) for name, setting in packs.recorded.items()}
    if not any(name in loaded.made for name in found):
        return {}
    values = {name: _unsaid(packs.settings[name]) if value is None else value for name, value in found.items()}
    return values if all(_is_known(packs.settings[name], value) for name, value in values.items()) else {}


def _recorded(loaded: Prompt | Workflow, setting: Setting) -> Any:
    """The value that a file gives; of a switch, only that it is on can be said."""
    value = loaded.made.get(setting.name)
    return (value is True or None) if setting.is_switch else value


def _unsaid(setting: Setting) -> Any:
    """The value of a file of Weft's that does not say it."""
    return setting.default if setting.unsaid is None else setting.unsaid


def _is_known(setting: Setting, value: Any) -> bool:
    return any(type(value) is type(each) and value == each for each in setting.words)
