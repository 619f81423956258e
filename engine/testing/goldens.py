"""NAME.golden.json: its format, how it is read and checked. What is broken is an error that says how, never repaired.

    NAME.golden.json                  nodes, digests, statistics, the birth certificate; beside it:
    NAME.golden.DIGEST.safetensors    tensors, each under its digest
    NAME.golden.NODE.N.DIGEST.png     the pictures that output nodes wrote

A file beside it is named after what is in it, so that a new golden never touches a file of the old one
(weft.engine.testing.writing); version 1 had the names without DIGEST. `digest` in the golden covers all of it but
`tolerances`, which is there to be edited by hand; every tensor and picture is checked against the digest under which
the golden has it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationError

from weft.engine.errors import UsageError, one_line
from weft.engine.locks import locked
from weft.engine.testing.instrument import Instrument, Tensor
from weft.engine.testing.records import GOLDEN_VERSION, Birth, NodeRecord, Record, Recording

FORMAT = "weft-golden"
SUFFIX = ".golden.json"
KEEPING = ("small", "all", "none")


class BrokenGolden(UsageError):
    """A golden that cannot be used: truncated, tampered with, from a newer version, of another workflow."""


def _file_name(text: str) -> str:
    if text in ("", ".", "..") or re.search(r"[/\\\0]", text):
        raise ValueError(f"expected the name of a file beside the golden, got {text!r}")
    return text


FileName = Annotated[str, AfterValidator(_file_name)]


class How(Record):
    """How the workflow was run, which a check repeats; `keep` is one of KEEPING, or a number of KiB.

    Of the settings of packs, `sampling` has a field of its own (empty: not said); `numbers`, and the others that were
    given, are in `others`.
    """

    sampling: str = ""
    others: dict[str, Any] = Field(default={})
    overrides: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    keep: str = Field(default="small", pattern=rf"^({'|'.join(KEEPING)}|[0-9]+)$")

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of packs that it was run with."""
        return {**({"sampling": self.sampling} if self.sampling else {}), **self.others}

    def under(self, settings: Mapping[str, Any]) -> How:
        """The same with these settings of packs."""
        given = {**self.settings, **settings}
        sampling = given.pop("sampling", "")
        return self.model_copy(update={"sampling": sampling, "others": given})

    def as_made(self, making: Mapping[str, Any]) -> How:
        """The same with what its settings were in a run of which files record `making`."""
        return self.under({name: making[name] for name in ("sampling", "numbers", *self.others) if name in making})


class GoldenFile(Record):
    """What stands in the file."""

    format: str
    version: int
    digest: str = ""
    workflow: FileName
    how: How
    birth: Birth
    nodes: dict[str, NodeRecord]
    tensors: tuple[str, ...] = ()
    tensor_file: FileName | None = None
    pictures: dict[str, FileName] = Field(default_factory=dict)
    tolerances: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True)
class Golden:
    """A golden that was read: its document, and the tensors that it keeps, by digest."""

    path: Path
    document: GoldenFile
    tensors: Mapping[str, Tensor]

    @property
    def recording(self) -> Recording:
        """What was recorded."""
        return Recording(self.document.birth, self.document.nodes)


def golden_path(workflow: Path) -> Path:
    """Where the golden of a workflow file is: beside it, `.json` replaced."""
    return workflow.with_name(workflow.stem + SUFFIX)


def read_golden(path: Path, instrument: Instrument) -> Golden:
    """Read a golden with its tensors and pictures. Raises BrokenGolden saying what is wrong with which file."""
    with locked(path.parent, shared=True):
        return _read(path, instrument)


def _read(path: Path, instrument: Instrument) -> Golden:
    document = read_document(path)
    if golden_path(path.with_name(document.workflow)) != path:
        raise _broken(path, f"it is of another workflow, recorded of {document.workflow!r}")
    tensors: dict[str, Tensor] = {}
    file = path.with_name(document.tensor_file) if document.tensor_file else path.with_suffix(".safetensors")
    if document.tensors:
        try:
            tensors.update(instrument.read_tensors(file))
        except (OSError, ValueError) as error:
            raise _broken(path, f"its tensors cannot be read: {error}") from error
        if set(tensors) != set(document.tensors):
            raise _broken(path, f"{file.name} is not the file that was written with it: other tensors are in it")
    for digest, name in document.pictures.items():
        picture = instrument.read_picture(path.with_name(name))
        if picture is None:
            raise _broken(path, f"its picture {name} is missing or damaged")
        tensors[digest] = picture
    for digest, tensor in tensors.items():
        if instrument.digest(tensor) != digest:
            name = document.pictures.get(digest, file.name)
            raise _broken(path, f"{name} was changed since: its content has another digest than the golden says")
    return Golden(path, document, tensors)


def read_document(path: Path) -> GoldenFile:
    """Read the JSON alone. Raises BrokenGolden."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise _broken(path, f"it cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise _broken(path, "it is no text in UTF-8") from error
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise _broken(path, f"it is truncated or no JSON: {error.msg} at {where}") from error
    except RecursionError as error:
        raise _broken(path, "it is nested too deeply") from error
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise _broken(path, f'it does not say "format": "{FORMAT}"')
    version = data.get("version")
    if type(version) is not int or not 1 <= version <= GOLDEN_VERSION:
        hint = "update Weft" if type(version) is int and version > 1 else ""
        raise _broken(path, f"its version is {version!r}, this Weft reads up to {GOLDEN_VERSION}", hint)
    try:
        document = GoldenFile.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise _broken(path, f"{place}: {first['msg'].removeprefix('Value error, ')}") from error
    if document.digest != self_digest(data):
        hint = "take the change back, or weft test record --force; only `tolerances` is there to be edited"
        raise _broken(path, "it was changed by hand: its content has another digest than it says", hint)
    return document


def self_digest(data: Mapping[str, Any]) -> str:
    """The digest of a golden's JSON data, but for the digest itself and what people may edit."""
    covered = {name: value for name, value in data.items() if name not in ("digest", "tolerances")}
    text = json.dumps(covered, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=32).hexdigest()


def _broken(path: Path, what: str, hint: str = "record it again: weft test record --force") -> BrokenGolden:
    return BrokenGolden(f"golden {path}: {one_line(what)}", hint=hint)
