"""What a prompt from the network may name: nothing outside of the folders of inputs, outputs and models.

An input that says by its name that it is a path (`filename_prefix`, `directory`) takes names below a folder alone. Any
other text is refused where it reads as a path to outside of the folders: from a folder of the system, from somebody's
home, or upwards; whether something is there makes no difference, so that nobody learns it. `/`, `and/or`, `/imagine a
cat` and `~100 birds` stay texts. What nodes put together while they run is not seen here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PureWindowsPath
from typing import Any

from weft.engine.errors import Issue
from weft.engine.folders import Folders
from weft.engine.schema.registry import Registry
from weft.engine.schema.sockets import Combo, Files
from weft.engine.workflow.prompt import Prompt

_PATHS = re.compile(
    r"(?:^|[_\W])(?:file_?)?(?:path|paths|dir|dirs|directory|directories|folder|folders|file|files|filename)"
    r"(?:$|[_\W\d])"
)
_WEB = re.compile(r"(?:https?://|data:)(?!.*(?:^|[/\\])\.\.(?:[/\\]|$))", re.IGNORECASE)
_HOME = re.compile(r"~(?:[a-z_][\w.-]*(?:/.*)?|/.*\w.*)", re.IGNORECASE)
_UP = re.compile(r"(?:.*[/\\])?\.\.[/\\]+[^\s/\\].*")
_LONGEST = 4096
"""Characters of a text that can be a path."""


def named_outside(prompt: Prompt, registry: Registry, folders: Folders) -> Iterator[Issue]:
    """What of a prompt's own texts leads out of the folders, an issue an input."""
    for node_id, node in prompt.nodes.items():
        found = registry.find(node.class_type)
        declared = found.schema.given(node.inputs) if found is not None else {}
        for name, value in node.inputs.items():
            socket = declared[name].socket if name in declared else None
            if _is_chosen(socket, value):
                continue
            is_path = bool(_PATHS.search(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()))
            for text in _texts(value):
                if why := leads_out(text, folders, is_path=is_path):
                    yield Issue(
                        "custom_validation_failed", "Custom validation failed for node", node_id, node.class_type,
                        input=name, details=f"{name} - {text[:200]!r} {why}",
                        hint="name a file below the folders of the server",
                        extra={"input_name": name, "received_value": text[:200]},
                    )  # fmt: skip
                    break


def leads_out(text: str, folders: Folders, *, is_path: bool = False) -> str:
    """Why a text may not come from the network; the empty string where it may."""
    said = text.strip().strip("\"'").strip()
    if not said or (not is_path and (len(said) > _LONGEST or "\n" in said or _WEB.match(said))):
        return ""
    said = re.sub(r"^file:(?://)?(?=[/~])", "", said, flags=re.IGNORECASE)
    windows = PureWindowsPath(said)
    if is_path:
        if "\0" in said:
            return "is no path"
        if windows.root or windows.drive or said.startswith("~"):
            return "is no name below a folder"
        return "leaves its folder" if _climbs(windows) else ""
    if not (said.startswith(("/", "~")) or ".." in windows.parts) or "\0" in said:
        return ""
    return "lies outside of the folders" if _reads_as_outside(said, folders) or _is_there(said, folders) else ""


def _is_chosen(socket: Any, value: Any) -> bool:
    """Whether a value is one of what the server offers, or is held to that by validation."""
    if isinstance(socket, Files):  # which also takes absolute names that a node was given
        return not (isinstance(value, str) and os.path.isabs(value))
    return isinstance(socket, Combo) and socket.choices is not None and value in socket.choices


def _climbs(path: PureWindowsPath) -> bool:
    """Whether a relative path is at some point above where it begins."""
    depth = 0
    for part in path.parts:
        depth += -1 if part == ".." else 1
        if depth < 0:
            return True
    return False


def _reads_as_outside(said: str, folders: Folders) -> bool:
    """Whether a text reads as a path out of the folders, by its form and the names in the root folder alone."""
    if said.startswith("/"):
        plain = os.path.normpath("/" + said.lstrip("/"))
        first = plain.split("/")[1]
        if not first or not os.path.lexists(f"/{first}"):
            return False
    elif said.startswith("~"):
        if not _HOME.fullmatch(said):
            return False
        plain = os.path.expanduser(said)
    else:
        if not (_UP.fullmatch(said) and _climbs(PureWindowsPath(said))):
            return False
        plain = os.path.abspath(said.replace("\\", "/"))
    return not any(Path(plain).is_relative_to(os.path.abspath(each)) for each in _reachable(folders))


def _is_there(said: str, folders: Folders) -> bool:
    """Whether a path leads out of the folders to what is there, or to a new file of a folder that is there."""
    path = os.path.expanduser(said.replace("\\", "/"))
    if path.startswith("~") or not re.search(r"\w", said):
        return False
    try:
        if re.search(r"\s", said):  # a sentence, unless it names just this
            place = path
            there = os.path.lexists(place)
        else:
            place = os.path.abspath(path)
            above = os.path.dirname(place)
            there = os.path.lexists(place) or (above != os.sep and os.path.isdir(above))
        if not there:
            return False
        found = Path(os.path.realpath(place))
    except (OSError, ValueError):
        return False
    return not any(found.is_relative_to(os.path.realpath(each)) for each in _reachable(folders))


def _reachable(folders: Folders) -> Iterator[Path]:
    yield from (folders.input, folders.output, folders.temp, *folders.models)
    for kind in folders.kinds():
        yield from folders.folders(kind)


def _texts(value: Any) -> Iterator[str]:
    """The texts in a value."""
    todo = [value]
    while todo:
        value = todo.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, Mapping):
            todo.extend(value.values())
        elif isinstance(value, list | tuple):
            todo.extend(value)
