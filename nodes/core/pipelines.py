"""Models in diffusers' form: a folder with a model_index.json, and a folder in it for each part."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from weft.engine.context import RunContext
from weft.engine.errors import MissingFile
from weft.engine.folders import Folders
from weft.engine.schema.authoring import node
from weft.engine.schema.node import Seen
from weft.engine.schema.sockets import Subfolders
from weft.nodes.core.loaders import LIBRARIES, embeddings_of, place
from weft.nodes.core.types import Clip, Model, Vae

__all__ = ["LIBRARIES", "DiffusersLoader"]

_KIND = "diffusers"
_INDEX = "model_index.json"
_NETWORK = tuple(f"diffusion_pytorch_model{end}" for end in (".safetensors", ".fp16.safetensors", ".bin", ".fp16.bin"))
_TEXT = ("model.safetensors", "model.fp16.safetensors", "pytorch_model.bin", "pytorch_model.fp16.bin")
# The files of each part, the first that is there counts; the second text encoder is XL's.
_PARTS: Mapping[str, tuple[str, ...]] = {"unet": _NETWORK, "vae": _NETWORK, "text_encoder": _TEXT}
_SECOND = "text_encoder_2"
_SCHEDULER = Path("scheduler") / "scheduler_config.json"


def _found(folder: Path) -> dict[str, Path]:
    """The files of a model's parts. Raises MissingFile naming the part that is not there."""
    wanted = {**_PARTS, _SECOND: _TEXT} if (folder / _SECOND).is_dir() else _PARTS
    found = {}
    for part, names in wanted.items():
        path = next((path for name in names if (path := folder / part / name).is_file()), None)
        if path is None:
            hint = f"expected one of {', '.join(names)}; weights in several files are not read"
            raise MissingFile(f"{folder.name} has no file of weights in {part}/", hint=hint)
        found[part] = path
    return found


def _check(seen: Seen) -> Iterator[tuple[str, str | MissingFile]]:
    name = seen.constants.get("model_path")
    if isinstance(name, str) and seen.folders is not None and name in seen.folders.subfolders(_KIND, _INDEX):
        try:
            _found(seen.folders.find_subfolder(_KIND, name, _INDEX))
        except MissingFile as error:
            yield "model_path", error


def _files(folders: Folders, constants: Mapping[str, Any]) -> list[Any]:
    """For the cache: the files of the parts, by their names and content."""
    folder = folders.find_subfolder(_KIND, constants["model_path"], _INDEX)
    files = [*_found(folder).values(), folder / _SCHEDULER]
    return [part for path in files if path.is_file() for part in (path.relative_to(folder).as_posix(), path)]


@node(category="advanced/loaders/deprecated", check=_check, fingerprint=_files)
def DiffusersLoader(
    *, model_path: Annotated[str, Subfolders(_KIND, holding=_INDEX)], context: RunContext
) -> tuple[Model, Clip, Vae]:
    """Open a model in diffusers' form: a folder with a model_index.json, and unet, vae and text_encoder in it.

    Args:
        model_path: A folder below the diffusers folders.
    """
    from weft.nodes.diffusion.weights.checkpoint import load_clip, load_unet, load_vae

    folder = context.folders.find_subfolder(_KIND, model_path, _INDEX)
    files, where = _found(folder), place(context)
    towers = [files[part] for part in ("text_encoder", _SECOND) if part in files]
    model = load_unet(files["unet"], device=where.memory, dtype=where.unet, warn=context.warn)
    clip = load_clip(
        towers,
        "sdxl" if _SECOND in files else "stable_diffusion",
        device=where.memory,
        dtype=where.text,
        embeddings=embeddings_of(context),
        warn=context.warn,
    )
    vae = load_vae(files["vae"], device=where.memory, dtype=where.vae, warn=context.warn)
    return _scheduled(model, folder / _SCHEDULER), clip, vae


def _scheduled(model: Model, path: Path) -> Model:
    """The model, predicting v where its scheduler says so and no weight does."""
    from weft.nodes.diffusion.errors import CheckpointError
    from weft.nodes.diffusion.sampling.patches.sampling import discrete

    if not path.is_file():
        return model
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        predicts, zero_snr = config.get("prediction_type"), bool(config.get("rescale_betas_zero_snr"))
    except (ValueError, AttributeError) as error:
        raise CheckpointError(f"{path} is no configuration of a scheduler: {error}") from error
    return discrete(model, predicts, zero_snr=zero_snr) if predicts == "v_prediction" else model
