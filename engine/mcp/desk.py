"""What all tools work with: the root, the options of the commands, and the workflows that clients give."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from weft.engine.errors import UnreadableWorkflow, UsageError
from weft.engine.folders import IMAGE_SUFFIXES
from weft.engine.mcp.confinement import Root
from weft.engine.mcp.processes import EndedCommand, Tell, weft


class ShownPicture(NamedTuple):
    """A picture for a client: its bytes and what they are."""

    content: bytes
    kind: str


class GivenWorkflow(NamedTuple):
    """A workflow that a client gave, as a file; and a folder that lasts as long as the call."""

    name: str
    folder: Path
    changes: Sequence[str]

    def plain(self, text: str) -> str:
        """A command's text, without the place of the folder."""
        return text.replace(f"{self.folder}/", "")

    def plain_data(self, document: dict[str, Any]) -> dict[str, Any]:
        """The same of a document."""
        found = json.loads(self.plain(json.dumps(document)))
        assert isinstance(found, dict)
        return found


@dataclass(frozen=True)
class Desk:
    """The root, and what the commands are told.

    `places` are the options of models and inputs, `code` those of custom nodes, `run_options` all that a run is told.
    """

    root: Root
    places: Sequence[str] = ()
    code: Sequence[str] = ()
    run_options: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))

    async def weft(self, arguments: Sequence[str], tell: Tell | None = None) -> EndedCommand:
        """Run a command in the root."""
        return await weft(arguments, self.root.folder, self.environment, tell)

    async def document(self, arguments: Sequence[str], given: GivenWorkflow) -> dict[str, Any]:
        """What a command that looks at a workflow says with --json."""
        command, name, *rest = arguments
        ended = await self.weft([command, "--json", *self.places, *self.code, *rest, "--", name])
        document = given.plain_data(ended.document)
        return {"status": "error", **document}

    @asynccontextmanager
    async def given(
        self, workflow: str | Mapping[str, Any], changes: Mapping[str, Any] | None = None, *, name: str = "workflow"
    ) -> AsyncIterator[GivenWorkflow]:
        """The workflow as a file that a command can be given, for as long as the block.

        Raises OutsideFolder for a path, or a text in the workflow or the changes, that leads out of the root.
        """
        self.root.check([*(changes or {}).values()])
        options = [f"--set={place}={_value(place, value)}" for place, value in (changes or {}).items()]
        # realpath: what a command says of the file is then found in its text.
        with tempfile.TemporaryDirectory(prefix="weft-mcp-") as place:
            folder = Path(os.path.realpath(place))
            if isinstance(workflow, str):
                file = self.root.path(workflow)
                self.root.check(_texts_of(file))
            else:
                self.root.check(workflow)
                file = folder / f"{name}.json"
                file.write_text(json.dumps(workflow, indent=2))
            yield GivenWorkflow(str(file), folder, options)

    def is_picture(self, file: Path) -> bool:
        """Whether a file is there and is a picture by its name."""
        return file.suffix.lower() in IMAGE_SUFFIXES and file.is_file()

    def picture(self, file: Path, side: int) -> ShownPicture:
        """A picture with no side longer than this. Raises UsageError for what is none."""
        from weft.engine.schema.packs import Packs
        from weft.engine.sweeping.pictures import find_pictures

        told: list[str] = []
        pictures = find_pictures(Packs.installed(), told.append)
        if pictures is None:
            raise UsageError(told[-1])
        content = pictures.reduced(file, side)
        if content is None:
            raise UsageError(f"{self.root.shown(file)} is no picture that can be read")
        return ShownPicture(content, "image/webp")


def _value(place: str, value: Any) -> str:
    """A value as --set reads it."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int | float) or value is None:
        return json.dumps(value)
    raise UsageError(f"{place}: expected a text, a number or a boolean, got {json.dumps(value)[:80]}")


def _texts_of(file: Path) -> Any:
    """The document in a file, as far as it can be read; what cannot be, its command refuses."""
    from weft.engine.formats.sources import load
    from weft.engine.workflow.prompt import Prompt

    try:
        loaded = load(file)
    except UnreadableWorkflow:
        return []
    return loaded.to_json() if isinstance(loaded, Prompt) else loaded.dump()
