"""Settings of a run: a flag (or argument) beats the environment, which beats weft.toml, which beats the default."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, field_validator

from weft.engine.documents import names_a_place, read_toml
from weft.engine.errors import UsageError, did_you_mean

SETTINGS_FILE = "weft.toml"
SamplingMode = Literal["comfy", "continuous"]
SAMPLING_MODES: tuple[str, ...] = get_args(SamplingMode)
ARGUMENTS = "the arguments"


def own_temp() -> Path:
    """A folder for previews, one for each user; on Windows, temporary files are the user's own.

    Anybody can make a folder of that name: `Folders` looks whose it is before anything is written there.
    """
    return Path(tempfile.gettempdir()) / f"weft-{getattr(os, 'getuid', int)()}"


class Settings(BaseModel):
    """What can be set; every field is also `WEFT_<FIELD>` in the environment and a key of weft.toml."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    models: tuple[Path, ...] = (Path("models"),)
    input: Path = Path("input")
    output: Path = Path("output")
    temp: Path = Field(default_factory=own_temp)
    device: str = "auto"
    dtype: Literal["auto", "float32", "float16", "bfloat16"] = "auto"
    sampling: SamplingMode = "comfy"
    prompt_schedule: bool = False
    missing_embeddings: Literal["error", "warn"] = "error"
    max_pixels: int = Field(default=1 << 27, ge=1)
    _sources: dict[str, str] = PrivateAttr(default_factory=dict)

    def source(self, name: str) -> str:
        """Where a setting comes from, for messages: `weft.toml`, `WEFT_MODELS in the environment`, `the arguments`."""
        return self._sources.get(name, "the default")

    @field_validator("models", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str | Path) else value

    @field_validator("models", "input", "output", "temp")
    @classmethod
    def _place(cls, value: Any) -> Any:
        if not all(names_a_place(str(place)) for place in (value if isinstance(value, tuple) else (value,))):
            raise ValueError("expected the path of a folder; no path has such characters")
        return value

    @field_validator("device")
    @classmethod
    def _known_device(cls, value: str) -> str:
        if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", value):
            raise ValueError("expected auto, cpu, cuda or cuda:N")
        return value

    @classmethod
    def load(
        cls, given: Mapping[str, Any], *, folder: Path | None = None, sources: Mapping[str, str] | None = None
    ) -> Settings:
        """The settings in force: `given` (None: not given), WEFT_* variables, weft.toml in `folder` (default: cwd).

        `sources` says of what is given where it comes from, if not from the arguments. Raises UsageError naming the
        source, the field, what was got and what was expected.
        """
        folder = folder if folder is not None else Path.cwd()
        passed = {name: value for name, value in given.items() if value is not None}
        said = [(name, value, SETTINGS_FILE) for name, value in _from_file(folder / SETTINGS_FILE).items()]
        said += [(name, value, f"{_variable(name)} in the environment") for name, value in _from_environment().items()]
        said += [(name, value, (sources or {}).get(name, ARGUMENTS)) for name, value in passed.items()]
        merged: dict[str, tuple[Any, str]] = {}
        for name, value, source in said:
            if name not in cls.model_fields:
                raise UsageError(f"{source}: unknown setting {name!r}", hint=did_you_mean(name, cls.model_fields))
            merged[name] = (value, source)
        try:
            settings = cls(**{name: value for name, (value, _) in merged.items()})
            settings._sources = {name: source for name, (_, source) in merged.items()}
            return settings
        except ValidationError as error:
            first = error.errors()[0]
            name = str(first["loc"][0])
            reason = first["msg"].removeprefix("Value error, ")
            raise UsageError(f"{merged[name][1]}: setting {name!r} is {merged[name][0]!r:.200}: {reason}") from error


def check_models(settings: Settings) -> None:
    """Raise UsageError for a models folder that was asked for and is not there."""
    if "models" in settings.model_fields_set:
        for root in settings.models:
            if not root.is_dir():
                hint = f"it is named by {settings.source('models')}"
                raise UsageError(f"the models folder {root} does not exist", hint=hint)


def another_device(settings: Settings) -> str:
    """The hint where the device that is asked for is not there."""
    source = settings.source("device")
    return "--device cpu" if source == ARGUMENTS else f"it is asked for by {source}; --device cpu"


def _variable(name: str) -> str:
    return f"WEFT_{name.upper()}"


def _from_environment() -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name in Settings.model_fields:
        text = os.environ.get(_variable(name))
        if text:
            values[name] = tuple(text.split(os.pathsep)) if name == "models" else text
    return values


def _from_file(file: Path) -> dict[str, Any]:
    if not file.is_file():
        return {}
    values = read_toml(file)
    # Paths in a file are relative to that file.
    return {name: _beside(file, name, value) for name, value in values.items()}


def _beside(file: Path, name: str, value: Any) -> Any:
    if name == "models" and isinstance(value, list):
        return tuple(_beside(file, name, item) for item in value)
    if name in ("models", "input", "output", "temp") and isinstance(value, str) and names_a_place(value):
        return file.parent / os.path.expanduser(value)
    return value
