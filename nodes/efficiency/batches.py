"""The files of a folder as the values of an axis."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path, PureWindowsPath
from typing import Annotated, Any

from weft.engine.errors import MissingFile, OutsideFolder, did_you_mean, looked_in
from weft.engine.folders import Folders
from weft.engine.schema.sockets import Boolean, Combo, Int, String

SUFFIXES = (".safetensors", ".ckpt", ".pt")

BatchPath = Annotated[str, String(default="/example_folder", multiline=False)]
Subdirectories = Annotated[bool, Boolean(default=False)]
BatchSort = Annotated[str, Combo(("ascending", "descending"))]
BatchMax = Annotated[int, Int(default=-1, min=-1, max=50, step=1)]


def batch_files(folders: Folders, kind: str, path: str, subdirectories: bool, sort: str, most: int) -> list[str]:
    """The files of a folder, by the names that a loader of this kind takes; sorted by name.

    Args:
        path: The folder: relative to a model folder of this kind, or absolute and anywhere, as in the original.
        most: How many at most; -1 is all of them.

    Raises:
        OutsideFolder: a path that leaves its folder by `..`.
        MissingFile: no such folder, or no model file in it.
    """
    folder, names = _listing(folders, kind, path, subdirectories)
    found = [name for name in names if (folder in name.parents if subdirectories else folder == name.parent)]
    if not found:
        choices = sorted({str(parent) for name in names for parent in name.parents} - {"."})
        looked = looked_in([folder] if folder.is_absolute() else folders.folders(kind))
        hint = did_you_mean(str(folder), choices) or looked
        raise MissingFile(f"batch_path {path!r} holds no file of {kind} ({', '.join(SUFFIXES)})", hint=hint)
    ordered = sorted((name.as_posix() for name in found), reverse=sort == "descending")
    return ordered if most < 0 else ordered[:most]


def listed(kind: str, mode: str, prefix: str = "") -> Any:
    """For `@node(fingerprint=...)`: which files there are decides, where input_mode contains `mode`."""

    def fingerprint(folders: Folders, constants: Mapping[str, Any]) -> list[str]:
        if mode not in str(constants.get("input_mode", mode)):
            return []
        try:
            # Whether or not the node itself is then called, its loaders find what it names.
            path = str(constants.get(f"{prefix}batch_path", ""))
            deep = constants.get(f"{prefix}subdirectories") is not False
            return [name.as_posix() for name in _listing(folders, kind, path, deep)[1]]
        except OutsideFolder:
            return []  # which the node says when it is called

    return fingerprint


def _listing(folders: Folders, kind: str, path: str, deep: bool) -> tuple[Path, list[Path]]:
    """A folder, and the files in and around it by the names that a loader takes, spelled as the folder is."""
    windows = PureWindowsPath(path)
    if ".." in windows.parts or "\0" in path:
        raise OutsideFolder(f"batch_path {path!r} leaves its folder", hint="name a folder without '..'")
    plain = os.path.normpath(path.replace("\\", "/"))
    inside = _relative(folders, kind, plain)
    if inside is not None:
        return inside, [Path(name) for name in folders.files(kind, SUFFIXES)]
    return Path(plain), [Path(name) for name in folders.adopt(kind, Path(plain), SUFFIXES, deep=deep)]


def _relative(folders: Folders, kind: str, path: str) -> Path | None:
    """The folder relative to the model folder that it lies in; None for one that lies elsewhere."""
    windows = PureWindowsPath(path)
    if not (windows.drive or windows.root or path.startswith("/")):
        return Path(path)
    for root in folders.folders(kind):
        for spelled in (os.path.abspath(root), os.path.realpath(root)):
            if path == spelled or path.startswith(spelled + os.sep):
                return Path(os.path.relpath(path, spelled))
    return None
