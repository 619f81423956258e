"""Where models, inputs and outputs lie, and how a new output file gets its name.

Nothing here follows a name out of its folder: `..`, an absolute path or a drive is refused before the disk is asked.
"""

from __future__ import annotations

import os
import re
import stat
import tempfile
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from copy import copy
from datetime import datetime
from itertools import chain
from pathlib import Path, PureWindowsPath
from typing import Any, Protocol

from weft.engine import extra_paths
from weft.engine.errors import (
    MissingEmbedding,
    MissingFile,
    OutsideFolder,
    UnusableName,
    UsageError,
    Warn,
    file_meant,
    looked_in,
    python_warning,
)
from weft.engine.numbered import NumberedFiles
from weft.engine.settings import own_temp

MODEL_SUFFIXES = (".safetensors", ".sft", ".ckpt", ".pt", ".pt2", ".pth", ".bin", ".pkl")
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif", ".ico", ".jfif")
INPUT = "input"
# The small models that come with Weft, in its source tree and installed.
SHIPPED = Path(__file__).resolve().parents[1] / "workflows" / "models"
_SHIPPED_KINDS = ("checkpoints", "embeddings", "loras")

# Kinds that ComfyUI renamed or merged: files of the left kind are also looked for in the folders on the right.
ALIASES: Mapping[str, tuple[str, ...]] = {
    "text_encoders": ("text_encoders", "clip"),
    "diffusion_models": ("diffusion_models", "unet"),
    "controlnet": ("controlnet", "t2i_adapter"),
}
_RENAMED = {alias: kind for kind, names in ALIASES.items() for alias in names}


class StandInFor(Protocol):
    """Gives what stands in for the file of a kind, below `root`; None where nothing can."""

    root: Path

    def __call__(self, kind: str, name: str) -> Path | None: ...


class Folders:
    """The folders of a run. `models` are model roots, first one first; each holds `checkpoints/`, `loras/`, ...

    An `extra_model_paths.yaml` in a root or beside it is read as ComfyUI writes it. Behind all of these come the models
    that are shipped with Weft.
    """

    def __init__(
        self, *, models: Sequence[Path], input: Path, output: Path, temp: Path, warn: Warn = python_warning
    ) -> None:
        # Absolute: what a run wrote is still there when the process has gone to another folder.
        self.models = tuple(root.absolute() for root in models)
        self.input = input.absolute()
        self.output = output.absolute()
        self.temp = temp.absolute()
        self._warn = warn
        self._extra: list[tuple[str, Path, bool]] = []
        self._added: list[tuple[str, Path]] = []
        for root in self.models:
            for file in dict.fromkeys((root / extra_paths.FILE, root.parent / extra_paths.FILE)):
                if file.is_file():
                    entries = extra_paths.read_extra_paths(file)
                    self._extra.extend((_RENAMED.get(kind, kind), path, default) for kind, path, default in entries)
        self._listed: dict[tuple[str, tuple[str, ...]], tuple[str, ...]] = {}
        self._adopted: dict[str, set[str]] = {}
        self._stand_in: StandInFor | None = None

    def standing_in(self, stand_in: StandInFor) -> Folders:
        """The same folders, in which `stand_in` gives what stands in for a file that is not there."""
        folders = copy(self)
        folders._stand_in, folders._listed = stand_in, {}
        return folders

    def folders(self, kind: str) -> list[Path]:
        """The folders that hold files of this kind, in the order of search; they need not exist."""
        stand_ins = [self._stand_in.root / _RENAMED.get(kind, kind)] if self._stand_in is not None else []
        if kind == INPUT:
            return [self.input, *stand_ins]
        kind = _RENAMED.get(kind, kind)
        own = [root / name for root in self.models for name in ALIASES.get(kind, (kind,))]
        first = [path for name, path, is_default in self._extra if name == kind and is_default]
        last = [path for name, path, is_default in self._extra if name == kind and not is_default]
        shipped = [SHIPPED / kind] if (SHIPPED / kind).is_dir() else []
        added = [path for name, path in self._added if name == kind]
        return list(dict.fromkeys([*first, *own, *last, *added, *shipped, *stand_ins]))

    def kinds(self) -> list[str]:
        """The kinds of which there is a folder that holds a model, sorted."""
        own = (each.name for root in self.models if root.is_dir() for each in root.iterdir())
        named = (*(name for name, _, _ in self._extra), *(name for name, _ in self._added))
        kinds = {_RENAMED.get(kind, kind) for kind in (*own, *named, *_SHIPPED_KINDS) if not kind.startswith(".")}
        return sorted(kind for kind in kinds if self.files(kind))

    def add(self, kind: str, folder: Path) -> None:
        """Search this folder, too, for files of the kind, after those that are there."""
        self._added.append((_RENAMED.get(kind, kind), folder))
        self._listed.clear()

    def refresh(self) -> None:
        """Look at the disk again when files are asked for next: what outlives a command does so now and then."""
        self._listed = {}

    def files(self, kind: str, suffixes: Sequence[str] = ()) -> tuple[str, ...]:
        """The names that a workflow can give, sorted, with forward slashes; model folders are searched deeply."""
        wanted = tuple(suffixes) or (IMAGE_SUFFIXES if kind == INPUT else MODEL_SUFFIXES)
        listed = self._listed  # another thread may refresh
        if (kind, wanted) not in listed:
            names: set[str] = set()
            for folder in self.folders(kind):
                for inside, found in _walk(folder, deep=kind != INPUT):
                    names.update((inside / name).as_posix() for name in found if name.lower().endswith(wanted))
            listed[kind, wanted] = tuple(sorted(names))
        return listed[kind, wanted]

    def subfolders(self, kind: str, holding: str = "") -> tuple[str, ...]:
        """The folders inside of those of a kind, sorted, with forward slashes; only those `holding` a file so named."""
        found = [(inside, files) for folder in self.folders(kind) for inside, files in _walk(folder, deep=True)]
        names = {inside.as_posix() for inside, files in found if inside.parts and (not holding or holding in files)}
        return tuple(sorted(names))

    def find_subfolder(self, kind: str, name: str, holding: str = "") -> Path:
        """The folder of this name inside of those of a kind. Raises OutsideFolder, MissingFile as `find` does."""
        folders = self.folders(kind)
        inside = _inside(name.replace("\\", "/"), kind)
        for folder in folders:
            path = folder / inside
            if os.path.isfile(path / holding) if holding else os.path.isdir(path):
                return path
        what = f"{kind} folder {name!r}" + (f" with a {holding}" if holding else "")
        near = file_meant(name, self.subfolders(kind, holding))
        raise MissingFile(f"{what} is not there", hint="; ".join(filter(None, (looked_in(folders), near))))

    def adopt(self, kind: str, folder: Path, suffixes: Sequence[str], *, deep: bool) -> tuple[str, ...]:
        """The files of a folder that is no model folder, by their absolute names, which `find` takes from now on.

        For nodes that are given a folder, not files. `deep` searches the folders in it too.
        """
        names = [str(folder / inside / name) for inside, found in _walk(folder, deep=deep) for name in found]
        found = tuple(sorted(name for name in names if name.lower().endswith(tuple(suffixes))))
        self._adopted.setdefault(kind, set()).update(found)
        return found

    def given(self, kind: str, name: str) -> str:
        """The name of a file that a user gave for a run, not a workflow: it may lie anywhere.

        A name that is found among the files of its kind is that. A path, absolute, with `./`, `../` or `~/` in front,
        or to a file below the current folder, becomes an absolute one, which `find` takes from now on.
        """
        path = os.path.expanduser(name)
        if not os.path.isabs(path) and not re.match(r"\.\.?[/\\]", path):
            try:
                self.find(kind, name)
                return name
            except (MissingFile, OutsideFolder):
                if not os.path.isfile(path):
                    return name
        path = os.path.abspath(path)
        self._adopted.setdefault(kind, set()).add(path)
        return path

    def find(self, kind: str, name: str, suffixes: Sequence[str] = ()) -> Path:
        """The file `name` of this kind.

        An input file may say where it is, as in ComfyUI: `picture.png [output]`. Raises OutsideFolder for a name that
        leaves its folder, MissingFile (where it looked, what is near) for one that is not there.
        """
        if name in self._adopted.get(kind, ()):
            if os.path.isfile(name):
                return Path(name)
            raise MissingFile(f"{_noun(kind)} {name!r} is not there")
        folders = self.folders(kind)
        plain = name
        if kind == INPUT:
            annotated = re.fullmatch(r"(.*) \[(input|output|temp)\]", name, re.DOTALL)
            if annotated:
                plain = annotated[1]
                folders = [self.input if annotated[2] == INPUT else self.output_folder(annotated[2])]
        # Workflows saved on Windows name files in subfolders with backslashes.
        for spelled in dict.fromkeys((plain, plain.replace("\\", "/"))):
            inside = _inside(spelled, kind)
            for folder in folders:
                path = folder / inside
                if os.path.isfile(path):  # unlike Path.is_file, False for a name that is too long
                    return self._told(kind, inside, path)
        if self._stand_in is not None:
            inside = _inside(plain.replace("\\", "/"), kind)
            stand_in = self._stand_in(_RENAMED.get(kind, kind), inside.as_posix())
            if stand_in is not None:
                return stand_in
        near = file_meant(plain, self.files(kind, suffixes)) or self._elsewhere(kind, plain)
        none = "nothing can stand in for it" if self._stand_in is not None else ""
        hint = "; ".join(part for part in (none, looked_in(folders), near) if part)
        raise MissingFile(f"{_noun(kind)} {name!r} is not there", hint=hint)

    def _elsewhere(self, kind: str, name: str) -> str:
        """Where a model lies that is not among those of its kind."""
        if kind == INPUT:
            return ""
        wanted = name.replace("\\", "/").rpartition("/")[2]
        places = (root / other.name for root in self.models for other in sorted(root.glob("*/")))
        for place in dict.fromkeys(places):
            if place not in self.folders(kind) and any(wanted in files for _, files in _walk(place, deep=True)):
                return f"a file of that name is in {place}"
        return ""

    def embedding(self, name: str) -> Path | None:
        """The file that a prompt calls `embedding:NAME`, with or without its suffix; None if absent.

        As in ComfyUI it may lie in a folder below, by its bare name. Of several the one nearest to the top is meant,
        then the first by the name of its folder.
        """
        name = name.replace("\\", "/")
        try:
            _inside(name, "embeddings")
        except OutsideFolder:
            return None
        folders = self.folders("embeddings")
        for place in chain(folders, _below(folders)):
            for suffix in ("", *MODEL_SUFFIXES):
                path = place / f"{name}{suffix}"
                if os.path.isfile(path):
                    return self._told("embeddings", path.relative_to(place), path)
        if self._stand_in is not None:
            return self._stand_in("embeddings", name if name.endswith(MODEL_SUFFIXES) else f"{name}.safetensors")
        return None

    def _told(self, kind: str, inside: Path, path: Path) -> Path:
        """A file that was found; where it is a stand-in made before, that is said again."""
        if self._stand_in is not None and path.is_relative_to(self._stand_in.root):
            return self._stand_in(_RENAMED.get(kind, kind), inside.as_posix()) or path
        return path

    def missing_embedding(self, name: str) -> MissingEmbedding:
        """What is to be said of an embedding that is not there: where it was looked for, and what is near."""
        hints = (looked_in(self.folders("embeddings")), file_meant(name, self.files("embeddings")))
        return MissingEmbedding(f"embedding {name!r} is not there", hint="; ".join(filter(None, hints)))

    def embeddings(self) -> dict[str, Path]:
        """The files that prompts can call `embedding:NAME`, by their names with suffix, as they are now."""
        found: dict[str, Path] = {}
        for folder in self.folders("embeddings"):
            for inside, names in _walk(folder, deep=True):
                for name in names:
                    path = folder / inside / name
                    if os.path.isfile(path) and os.access(path, os.R_OK):
                        found.setdefault((inside / name).as_posix(), path)
        return dict(sorted(found.items()))

    def check_prefix(self, prefix: str) -> Path:
        """Where output files of this prefix go. Raises UnusableName as `numbered` does."""
        return self.output / _new_name(prefix, {}, "output").parent

    def check_writable(self, folder: Path) -> None:
        """Raise UsageError where files cannot be written to a folder; it need not be there yet."""
        there = next(place for place in (folder, *folder.parents) if os.path.lexists(place))
        what = f"cannot write to the output folder {folder}"
        if not there.is_dir():
            raise UsageError(f"{what}: {there} is no folder")
        if not os.access(there, os.W_OK | os.X_OK):
            raise UsageError(f"{what}: no permission to write to {there}", hint="name another one with --output")

    def output_folder(self, kind: str) -> Path:
        """The folder that files of kind `output` or `temp` are written to.

        The default one for `temp` is made here, for its user alone; where somebody else has made it, there is another.
        """
        if kind == "temp" and self.temp == own_temp():
            self.temp = _private(self.temp, self._warn)
        return {"output": self.output, "temp": self.temp}[kind]

    def is_preview(self, file: Path) -> bool:
        """Whether a file is in the folder for temporary files, so that it is no result."""
        kept = self.output.is_relative_to(self.temp) and file.is_relative_to(self.output)
        return file.is_relative_to(self.temp) and not kept

    def numbered(self, prefix: str, kind: str = "output", values: Mapping[str, Any] | None = None) -> NumberedFiles:
        """Names for new files, `PREFIX_00001_`, `PREFIX_00002_`, ... after those that are there.

        `prefix` may name subfolders, with / or \\, and hold `%year% %month% %day% %hour% %minute% %second%`,
        `%date:yyyy-MM-dd%` and `%name%` for each of `values` (width, height). Raises OutsideFolder where it leaves the
        output folder, UnusableName for control characters and for names longer than file systems take.
        """
        inside = _new_name(prefix, values or {}, kind)
        try:
            os.fsencode(inside)
        except UnicodeEncodeError as error:
            hint = "set PYTHONUTF8=1, or LANG to a locale in UTF-8"
            raise UnusableName(f"{_noun(kind)} name {prefix!r} has no form in {error.encoding}", hint=hint) from error
        return NumberedFiles(self.output_folder(kind), inside.parent, inside.name)


def _private(folder: Path, warn: Warn) -> Path:
    """The folder, made if need be and closed to others; a new one, with a warning, where it is a link or not ours."""
    if os.name == "nt":  # no owners there, and the folder for temporary files is the user's own
        return folder
    with suppress(FileExistsError):
        folder.mkdir(0o700)
    found = os.lstat(folder)
    if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid():
        if stat.S_IMODE(found.st_mode) != 0o700:
            folder.chmod(0o700)
        return folder
    other = Path(tempfile.mkdtemp(prefix=f"{folder.name}-"))
    warn(f"{folder} is a link or belongs to somebody else, so previews go to {other}")
    return other


def _walk(folder: Path, *, deep: bool) -> Iterator[tuple[Path, list[str]]]:
    """The folder and, where `deep`, those below it but for hidden ones: relative path, names of files.

    Links are followed, except back to a folder that leads to them.
    """
    above = {str(folder): {os.path.realpath(folder)}}
    for parent, children, found in os.walk(folder, followlinks=True):
        chain = above.pop(parent)
        kept = []
        for name in children if deep else ():
            place = os.path.join(parent, name)
            real = os.path.realpath(place)
            if not name.startswith(".") and real not in chain:
                above[place] = chain | {real}
                kept.append(name)
        children[:] = kept
        yield Path(parent).relative_to(folder), found


def _below(folders: Sequence[Path]) -> Iterator[Path]:
    """The folders below these, those of the first one first, the shallow before the deep."""
    for folder in folders:
        inside = [place for place, _ in _walk(folder, deep=True) if place.parts]
        yield from (folder / place for place in sorted(inside, key=lambda place: (len(place.parts), place)))


def _inside(name: str, kind: str) -> Path:
    """`name` as a path relative to its folder. Raises OutsideFolder for one that leaves it."""
    windows = PureWindowsPath(name)
    if not name.strip():
        raise OutsideFolder(f"{_noun(kind)} name {name!r} is empty", hint="name a file below the folder")
    if windows.drive and not windows.root and ".." not in windows.parts and "\0" not in name:
        hint = "leave the colon out, or begin with more than one letter"
        raise OutsideFolder(f"{_noun(kind)} name {name!r}: {windows.drive!r} reads as a Windows drive", hint=hint)
    if "\0" in name or windows.is_absolute() or windows.drive or ".." in windows.parts:
        raise OutsideFolder(f"{_noun(kind)} name {name!r} leaves its folder", hint="name a file below the folder")
    if windows.root or name.startswith("/"):
        raise OutsideFolder(f"{_noun(kind)} name {name!r} leaves its folder", hint="absolute paths are refused")
    return Path(os.path.normpath(name))


LONGEST_NAME = 255 - len("._00001_.safetensors.part")
"""Bytes that the beginning of a new file's name may have: file systems take names of 255, hidden ones too."""
_LONGEST_PATH = 4000


def _new_name(prefix: str, values: Mapping[str, Any], kind: str) -> Path:
    """The subfolder and the beginning of the name of new files, relative to their folder; see `Folders.numbered`."""
    # Workflows saved on Windows name subfolders with backslashes.
    name = expanded(prefix, values) or "ComfyUI"
    inside = _inside(name, kind)
    if "\\" in name:
        inside = _inside(name.replace("\\", "/"), kind)
    odd = next((char for char in name if unicodedata.category(char) in ("Cc", "Cs")), None)
    what = f"{_noun(kind)} name {name if len(name) <= 60 else name[:57] + '...'!r}"
    if odd is not None:
        raise UnusableName(f"{what} has the control character {odd!r} in it", hint="leave it out")
    longest = max((len(part.encode()) for part in inside.parts), default=0)
    if longest > LONGEST_NAME or len(str(inside).encode()) > _LONGEST_PATH:
        hint = f"a name may have {LONGEST_NAME} bytes, with its folders {_LONGEST_PATH}"
        raise UnusableName(f"{what} is too long: {longest} bytes", hint=hint)
    return inside


_NOUNS = {
    INPUT: "input file",
    "output": "output",
    "temp": "output",
    "checkpoints": "checkpoint",
    "loras": "LoRA",
    "vae": "VAE",
    "embeddings": "embedding",
    "controlnet": "ControlNet",
    "gligen": "GLIGEN model",
    "hypernetworks": "hypernetwork",
    "model_patches": "model patch",
}


def _noun(kind: str) -> str:
    return _NOUNS.get(kind, f"file of {kind}")


_DATE_PART = re.compile("yyyy|yy|MM|M|dd|d|hh|h|mm|m|ss|s")
_DATE_CODES = {"yyyy": "%Y", "yy": "%y", "MM": "%m", "dd": "%d", "hh": "%H", "mm": "%M", "ss": "%S"}


def expanded(prefix: str, values: Mapping[str, Any]) -> str:
    """The prefix of new files with its tokens replaced (see `Folders.numbered`); every other `%...%` stays."""
    now = datetime.now()
    known = {
        **{part: now.strftime(code) for part, code in _CLOCK.items()},
        **{name: str(value) for name, value in values.items()},
    }

    def date_part(match: re.Match[str]) -> str:
        part = match[0]
        text = now.strftime(_DATE_CODES[part if len(part) > 1 else part * 2])
        return text if len(part) > 1 else str(int(text))

    def token(match: re.Match[str]) -> str:
        name, _, form = match[1].partition(":")
        return _DATE_PART.sub(date_part, form or "yyyyMMddhhmmss") if name == "date" else known[name]

    # Only known names: a percent sign before one of them is none of its business.
    return re.sub(f"%(date(?::[^%]*)?|{'|'.join(map(re.escape, known))})%", token, prefix)


_CLOCK = {"year": "%Y", "month": "%m", "day": "%d", "hour": "%H", "minute": "%M", "second": "%S"}
