"""What is known of a custom node pack: where it lies, what it brought, what became of its import."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from weft.engine.folders import Folders
from weft.engine.schema.packs import NodeSource
from weft.engine.schema.registry import Registry
from weft.engine.settings import Settings


@dataclass
class CustomPack:
    """A pack, after it was imported or failed to be.

    `module` is its name among the imported ones, `error` why it did not load (empty: it did), `place` where that
    happened. `notes` are what it tried or changed and what became of that, `lacks` the names of ComfyUI's that it asked
    for and that are not there, `said` is what it printed. `web` is its part in the browser.
    """

    name: str
    path: Path
    module: str
    digest: str = ""
    nodes: Mapping[str, NodeSource] = field(default_factory=dict)
    titles: Mapping[str, str] = field(default_factory=dict)
    web: Path | None = None
    error: str = ""
    hint: str = ""
    notes: list[str] = field(default_factory=list)
    lacks: Sequence[str] = ()
    said: str = ""
    seconds: float = 0.0
    hidden: Sequence[str] = ()
    """Those of its classes that others have: Weft itself, or a pack before it."""

    @property
    def why(self) -> str:
        """One line that says that it did not load, and why."""
        return f"pack {self.name!r} did not load: {self.error}"

    def to_json(self) -> dict[str, Any]:
        """The record as plain JSON data."""
        return {
            "pack": self.name,
            "path": str(self.path),
            "module": self.module,
            "status": "failed" if self.error else "loaded",
            **({"error": self.error, "hint": self.hint} if self.error else {}),
            "classes": sorted(self.nodes),
            "hidden": list(self.hidden),
            "seconds": round(self.seconds, 3),
            "notes": list(self.notes),
            "lacks": list(self.lacks),
            "said": self.said,
            "web": str(self.web) if self.web is not None else None,
        }


@dataclass(frozen=True)
class Host:
    """The classes, folders and settings of the session that packs are loaded into."""

    registry: Registry
    folders: Folders
    settings: Settings


class Serving(Protocol):
    """The server that runs prompts here, as packs may speak to it. All may be called in any thread."""

    address: str
    port: int

    @property
    def loop(self) -> Any:
        """The event loop that answers requests."""

    @property
    def client_id(self) -> str | None:
        """Whose prompt runs."""

    @property
    def prompt_id(self) -> str:
        """Which prompt runs; empty where none does."""

    def send(self, event: str | int, data: Any, client_id: str | None = None) -> None:
        """Send a message, of a binary kind where `event` is a number, to a client, or to all."""

    def queue(self) -> tuple[list[Any], list[Any]]:
        """The prompts that run and wait, as ComfyUI's queue has them."""

    def history(self, prompt_id: str | None = None) -> dict[str, Any]:
        """What has been, or one of it."""

    def take_back(self, wanted: Callable[[Any], bool]) -> bool:
        """Have prompts that wait wait no more; whether there was one."""

    def features(self, client_id: str) -> Mapping[str, Any]:
        """What a client said that it can do."""


class AddedRoute(NamedTuple):
    """A route that a pack added: a method and a path with what answers it, or STATIC and a folder."""

    method: str
    path: str
    handler: Any


class Imports(Protocol):
    """What a module offers that answers the imports of packs: a part of a `Pack`."""

    WATCHED: Sequence[str]
    """Modules whose functions and classes a pack may not replace, beside Python's own."""

    version: str
    """The version of ComfyUI that packs are told."""

    def install(self, host: Host) -> None:
        """Answer from now on, for packs of this session."""

    def loading(self, pack: str, place: str) -> AbstractContextManager[None]:
        """Around the import of the pack that lies at `place`."""

    def lacking(self, pack: str) -> Sequence[str]:
        """What the pack has asked for and there is not."""

    def replaced(self, pack: str) -> Sequence[str]:
        """The functions, `module.attribute`, in whose place the pack has put others."""

    def state(self) -> Mapping[str, Any]:
        """The states of libraries, by name, that an import must not change; of what is loaded."""

    def restore(self, state: Mapping[str, Any]) -> Sequence[str]:
        """Put back what is not so any more; returns what that was."""

    def serve(self, server: Serving | None) -> Sequence[AddedRoute]:
        """From now on packs speak to this server, or to none; gives the routes that they have added."""

    def on_prompt(
        self, prompt: Mapping[str, Any], extra: Callable[[], Mapping[str, Any]]
    ) -> tuple[Any, list[str]] | None:
        """What handlers of packs make of a prompt in API format that is sent, and what went wrong; None without any."""
