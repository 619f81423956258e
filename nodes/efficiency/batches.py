"""The files of a folder as the values of an axis."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import PurePosixPath, PureWindowsPath
from typing import Annotated, Any

from engine.errors import MissingFile, OutsideFolder, did_you_mean
from engine.folders import Folders
from engine.sockets import Boolean, Combo, Int, String

SUFFIXES = (".safetensors", ".ckpt", ".pt")

BatchPath = Annotated[str, String(default="/example_folder", multiline=False)]
Subdirectories = Annotated[bool, Boolean(default=False)]
BatchSort = Annotated[str, Combo(("ascending", "descending"))]
BatchMax = Annotated[int, Int(default=-1, min=-1, max=50, step=1)]


def batch_files(folders: Folders, kind: str, path: str, subdirectories: bool, sort: str, most: int) -> list[str]:
    """The files of a folder among the model folders of this kind, by the names that a loader takes; sorted by name.

    Args:
        path: The folder, as an absolute path or relative to a model folder.
        most: How many at most; -1 is all of them.

    Raises:
        OutsideFolder: a path that lies in none of the model folders.
        MissingFile: no such folder, or no model file in it.
    """
    inside = _relative(folders, kind, path)
    names = [PurePosixPath(name) for name in folders.files(kind, SUFFIXES)]
    found = [name for name in names if (inside in name.parents if subdirectories else inside == name.parent)]
    if not found:
        choices = sorted({str(parent) for name in names for parent in name.parents} - {"."})
        hint = did_you_mean(str(inside), choices) or f"looked below {', '.join(map(str, folders.folders(kind)))}"
        raise MissingFile(f"batch_path {path!r} holds no file of {kind} ({', '.join(SUFFIXES)})", hint=hint)
    ordered = sorted((str(name) for name in found), reverse=sort == "descending")
    return ordered if most < 0 else ordered[:most]


def listed(kind: str, mode: str, prefix: str = "") -> Any:
    """For `@node(fingerprint=...)`: which files there are decides, where input_mode contains `mode`."""

    def fingerprint(folders: Folders, constants: Mapping[str, Any]) -> list[str]:
        return list(folders.files(kind, SUFFIXES)) if mode in str(constants.get("input_mode", mode)) else []

    return fingerprint


def _relative(folders: Folders, kind: str, path: str) -> PurePosixPath:
    """The folder relative to the model folder that it lies in."""
    windows = PureWindowsPath(path)
    if ".." in windows.parts or "\0" in path:
        raise OutsideFolder(f"batch_path {path!r} leaves its folder", hint="name a folder without '..'")
    plain = path.replace("\\", "/")
    if not (windows.drive or windows.root or plain.startswith("/")):
        return PurePosixPath(os.path.normpath(plain))
    for root in folders.folders(kind):
        for spelled in (os.path.abspath(root), os.path.realpath(root)):
            if os.path.normpath(plain) == spelled or os.path.normpath(plain).startswith(spelled + os.sep):
                return PurePosixPath(os.path.relpath(plain, spelled))
    below = ", ".join(map(str, folders.folders(kind)))
    hint = f"files of {kind} are looked for below {below}; extra_model_paths.yaml adds others"
    raise OutsideFolder(f"batch_path {path!r} lies in none of the model folders", hint=hint)
