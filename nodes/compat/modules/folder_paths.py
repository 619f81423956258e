"""`folder_paths`: where models, inputs and outputs lie, on the folders of the run.

`folder_names_and_paths` is live, as in ComfyUI: a pack may add a kind of model, by the functions or in the dict, and it
is a kind of the session then. What a pack added stays for the process; all else is that of the session.
"""

from __future__ import annotations

import mimetypes
import os
import re
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

from weft.engine.custom_nodes.importing import packs_in
from weft.engine.folders import MODEL_SUFFIXES, Folders, expanded
from weft.nodes.compat.host import folders, host

supported_pt_extensions = set(MODEL_SUFFIXES)

_KINDS = (
    *("checkpoints", "configs", "loras", "vae", "text_encoders", "diffusion_models", "clip_vision", "style_models"),
    *("embeddings", "diffusers", "vae_approx", "controlnet", "gligen", "upscale_models", "custom_nodes"),
    *("hypernetworks", "photomaker", "classifiers", "model_patches", "audio_encoders", "latent_upscale_models"),
)
_SUFFIXES: dict[str, set[str]] = {
    "configs": {".yaml"},
    "classifiers": {""},
    "diffusers": {"folder"},
    "custom_nodes": set(),
}
_LEGACY = {"unet": "diffusion_models", "clip": "text_encoders"}


def map_legacy(folder_name: str) -> str:
    """The present name of a kind."""
    return _LEGACY.get(folder_name, folder_name)


def _places_of_packs() -> list[str]:
    """The folders that the session's packs lie in; where it has none, the one that ComfyUI would have."""
    settings = host().settings
    packs = (pack for place in settings.custom_nodes for pack in packs_in(place))
    return list(dict.fromkeys(str(pack.parent) for pack in packs)) or [str(folders().models[0].parent / "custom_nodes")]


class _Kinds(dict[str, tuple[list[str], set[str]]]):
    """Folders and suffixes by kind. `_given` are the folders of each kind as the session has them."""

    def __init__(self) -> None:
        super().__init__()
        self._session: Folders | None = None
        self._given: dict[str, list[str]] = {}

    def refresh(self) -> None:
        """Take over the folders of the present session; those that packs added stay."""
        session = folders()
        if session is self._session:
            return
        self._session = session
        for kind in _KINDS:
            given = _places_of_packs() if kind == "custom_nodes" else [str(path) for path in session.folders(kind)]
            known = self.get(kind)
            added = [path for path in known[0] if path not in self._given.get(kind, ())] if known else []
            suffixes = known[1] if known else set(_SUFFIXES.get(kind, supported_pt_extensions))
            super().__setitem__(kind, ([*given, *added], suffixes))
            self._given[kind] = given

    def join(self, kind: str) -> tuple[list[str], set[str]]:
        """A kind, with its folders known to the session. Raises KeyError."""
        paths, suffixes = self[kind]
        known = {str(path) for path in folders().folders(kind)}
        for path in paths:
            if path not in known:
                folders().add(kind, Path(path))
        return paths, suffixes


_kinds = _Kinds()
filename_list_cache: dict[str, Any] = {}


def __getattr__(name: str) -> Any:
    match name:
        case "folder_names_and_paths":
            _kinds.refresh()
            return _kinds
        case "base_path":
            return str(folders().models[0].parent)
        case "models_dir":
            return str(folders().models[0])
        case "input_directory":
            return get_input_directory()
        case "output_directory":
            return get_output_directory()
        case "temp_directory":
            return get_temp_directory()
        case "user_directory":
            return get_user_directory()
    raise AttributeError(name)


class FileNames(list[str]):
    """The names of the files of a kind that the session knows: as choices they are files, and stay what is there.

    A pack may put names of its own in front of them, that stand for no file.
    """

    def __init__(self, names: Iterable[str], folder: str, suffixes: Collection[str], extra: Sequence[str] = ()) -> None:
        self._there = list(names)
        self._folder, self._suffixes = folder, tuple(sorted(suffixes))
        super().__init__([*extra, *self._there])

    @property
    def files(self) -> dict[str, Any] | None:
        """What they are the names of; None once the list has become another one."""
        own = len(self) - len(self._there)
        if own < 0 or self[own:] != self._there:
            return None
        return {"folder": self._folder, "suffixes": self._suffixes, "extra_choices": tuple(self[:own])}

    def __radd__(self, other: Any) -> Any:
        # ["None"] + get_filename_list("loras"), as packs write; others call `insert`.
        if not isinstance(other, list):
            return NotImplemented
        mine = self.files
        if mine is None:
            return [*other, *self]
        return FileNames(self._there, self._folder, self._suffixes, (*other, *mine["extra_choices"]))


def get_filename_list(folder_name: str) -> list[str]:
    """The names of the files of a kind, below its folders, sorted. Raises KeyError for an unknown kind."""
    _kinds.refresh()
    kind = map_legacy(folder_name)
    _, suffixes = _kinds.join(kind)
    if not suffixes or suffixes & {"", "folder"}:
        return sorted(_names(_kinds[kind][0], suffixes))
    return FileNames(folders().files(kind, tuple(sorted(suffixes))), kind, suffixes)


def _names(paths: Iterable[str], suffixes: set[str]) -> set[str]:
    found: set[str] = set()
    for path in paths:
        files, inside = recursive_search(path, [".git"])
        found.update(inside if "folder" in suffixes else filter_files_extensions(files, suffixes))
    return found


def get_folder_paths(folder_name: str) -> list[str]:
    """The folders of a kind. Raises KeyError for an unknown one."""
    _kinds.refresh()
    return _kinds[map_legacy(folder_name)][0][:]


def get_full_path(folder_name: str, filename: str) -> str | None:
    """The file of that name, of a kind; None where there is none. A name never leaves its folder."""
    _kinds.refresh()
    kind = map_legacy(folder_name)
    if kind not in _kinds:
        return None
    name = os.path.relpath(os.path.join("/", filename.replace("\\", "/")), "/")
    places = (os.path.join(path, name) for path in _kinds.join(kind)[0])
    return next((place for place in places if os.path.isfile(place)), None)


def get_full_path_or_raise(folder_name: str, filename: str) -> str:
    """The same. Raises MissingFile, a FileNotFoundError in all but name, that says what is near."""
    found = get_full_path(folder_name, filename)
    return found if found is not None else str(folders().find(map_legacy(folder_name), filename))


def add_model_folder_path(folder_name: str, full_folder_path: str, is_default: bool = False) -> None:
    """Add a folder to a kind, which may be a new one; in front of the others where it is the default."""
    _kinds.refresh()
    kind = map_legacy(folder_name)
    paths, _ = _kinds.setdefault(kind, ([], set(supported_pt_extensions)))
    if full_folder_path in paths:
        paths.remove(full_folder_path)
    paths.insert(0 if is_default else len(paths), full_folder_path)
    _kinds.join(kind)


def get_input_directory() -> str:
    """The folder of input files. Where it is not there, an empty one: packs list it to say what their nodes take."""
    found = folders()
    if found.input.is_dir():
        return str(found.input)
    empty = found.output_folder("temp") / "no-input"
    empty.mkdir(parents=True, exist_ok=True)
    return str(empty)


def get_output_directory() -> str:
    """The folder that files are written to."""
    return str(folders().output_folder("output"))


def get_temp_directory() -> str:
    """The folder for temporary files."""
    return str(folders().output_folder("temp"))


def get_user_directory() -> str:
    """Where packs keep settings of users: beside the models, as in ComfyUI."""
    return str(folders().models[0].parent / "user")


def get_directory_by_type(type_name: str) -> str | None:
    """The folder `output`, `temp` or `input`; None for another name."""
    makers = {"output": get_output_directory, "temp": get_temp_directory, "input": get_input_directory}
    return makers[type_name]() if type_name in makers else None


def get_input_subfolders() -> list[str]:
    """The folders below that of input files, sorted, with forward slashes."""
    root = folders().input
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_dir())


def annotated_filepath(name: str) -> tuple[str, str | None]:
    """`picture.png [output]` as its name and the folder that is meant, or None where it does not say."""
    for kind in ("output", "input", "temp"):
        mark = f"[{kind}]"
        if name.endswith(mark):
            return name[: -len(mark)].rstrip(), get_directory_by_type(kind)
    return name, None


def get_annotated_filepath(name: str, default_dir: str | None = None) -> str:
    """The path of a file by its annotated name; of input files, a name that the user gave may lie anywhere."""
    plain, base = annotated_filepath(name)
    if base is None and default_dir is None and os.path.isabs(plain):
        return str(folders().find("input", plain))
    return os.path.join(base if base is not None else default_dir or folders().input, plain)


def exists_annotated_filepath(name: str) -> bool:
    """Whether that file is there."""
    return os.path.exists(get_annotated_filepath(name))


def get_save_image_path(
    filename_prefix: str, output_dir: str, image_width: int = 0, image_height: int = 0
) -> tuple[str, str, int, str, str]:
    """Folder, beginning of the name, number, subfolder and prefix of a new file. Raises ValueError outside of it."""
    prefix = expanded(filename_prefix, {"width": image_width, "height": image_height})
    subfolder = os.path.dirname(os.path.normpath(prefix))
    stem = os.path.basename(os.path.normpath(prefix))
    folder = os.path.join(output_dir, subfolder)
    root = os.path.abspath(output_dir)
    if os.path.commonpath((root, os.path.abspath(folder))) != root:
        raise ValueError(f"saving image outside the output folder is not allowed: {folder} is not in {root}")
    os.makedirs(folder, exist_ok=True)
    taken = re.compile(re.escape(os.path.normcase(stem)) + r"_(\d+)(?:_.*)?", re.DOTALL)
    found = (taken.fullmatch(os.path.normcase(name)) for name in os.listdir(folder))
    counter = max((int(match[1]) for match in found if match), default=0) + 1
    return folder, stem, counter, subfolder, prefix


def recursive_search(
    directory: str, excluded_dir_names: Sequence[str] | None = None
) -> tuple[list[str], dict[str, float]]:
    """The files below a folder, by their names in it, and its folders with the time of their last change."""
    files: list[str] = []
    inside: dict[str, float] = {}
    for parent, children, names in os.walk(directory, followlinks=True):
        children[:] = [name for name in children if name not in (excluded_dir_names or ())]
        files += [os.path.relpath(os.path.join(parent, name), directory) for name in names]
        inside[parent] = os.path.getmtime(parent)
    return files, inside


def filter_files_extensions(files: Collection[str], extensions: Collection[str]) -> list[str]:
    """Those files that end in one of these, sorted; all where there is none."""
    return sorted(name for name in files if not extensions or os.path.splitext(name)[-1].lower() in extensions)


def filter_files_content_types(files: Sequence[str], content_types: Sequence[str]) -> list[str]:
    """Those files that are an `image`, `video`, `audio` or `model`, as their suffixes say."""
    found = []
    for name in files:
        suffix = name.rpartition(".")[2].lower()
        kind = _OWN_TYPES.get(suffix) or (mimetypes.guess_type(name, strict=False)[0] or "").partition("/")[0]
        if kind in content_types:
            found.append(name)
    return found


_OWN_TYPES = {"webp": "image", "fbx": "model", "glb": "model", "gltf": "model", "obj": "model", "stl": "model"}
