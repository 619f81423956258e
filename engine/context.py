"""RunContext: what a node may know of the run it is part of. There are no globals, but for `called`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Protocol

from weft.engine.cancel import CancelToken
from weft.engine.events import Event, ImageGiven, NodeWarning, Observer, Preview, Progress
from weft.engine.folders import Folders
from weft.engine.instances import Instances
from weft.engine.settings import Settings

_CALLED: ContextVar[RunContext | None] = ContextVar("the context of the node that is called here", default=None)


def called() -> RunContext | None:
    """The context of the V1 or V3 node that is called in this thread or task; None elsewhere, also in a thread that the
    node starts by itself.

    Typed nodes ask for theirs by annotation. ComfyUI's API knows no context: what it offers such classes asks here.
    """
    return _CALLED.get()


class SharedSteps(Protocol):
    """The steps of a node, shared with others that are computed from the same (see `weft.engine.trajectory`)."""

    def find(self, places: Sequence[bytes]) -> tuple[int, Any] | None:
        """The last of these places, the states after each step in order, that somebody was at, and the state there."""

    def keep(self, states: Mapping[bytes, Any]) -> None:
        """Leave states by their places, in the order in which they were passed: plain data, and values with codecs."""

    @property
    def due(self) -> bool:
        """Whether it is time to leave what was done, in case the run is killed."""


class RunContext:
    """The folders, settings and observers of one run, seen from one node.

    The executor owns the run's context and hands each node that asks for one a view with its own `node_id`. `token`
    says whether the run is to stop. `prompt` is the workflow as it was given, and goes into files; `executed` is what
    its nodes were lowered to; `models` gives the digests of the files that its nodes name; `making` is what else files
    record of the run; `served` are the ids of the nodes whose outputs came from the cache, and `written` are the files
    of all nodes, as far as the run has come. `instances` are the objects of V1 classes. `said` is what the node warned
    of. `call` is the place of this call among those of the node, and how many there are; `graphs` how many it has made
    to expand into. `steps` is what a node that goes step by step shares of them with others; None where it shares none.
    """

    _SHARED = (
        "folders",
        "instances",
        "settings",
        "observers",
        "served",
        "token",
        "warnings",
        "written",
        "_broken",
        "_executed",
        "_extra",
        "_making",
        "_models",
        "_prompt",
        "_repeated",
        "_resources",
    )
    __slots__ = (*_SHARED, "_title", "call", "display_id", "files", "graphs", "node_id", "said", "steps")

    def __init__(
        self,
        *,
        folders: Folders,
        settings: Settings,
        observers: Sequence[Observer] = (),
        token: CancelToken | None = None,
        prompt: Callable[[], dict[str, Any]] = dict,
        executed: Callable[[], dict[str, Any]] | None = None,
        extra_pnginfo: Callable[[], dict[str, Any]] = dict,
        making: Mapping[str, Any] | None = None,
        models: Callable[[], Mapping[str, str]] = dict,
        instances: Instances | None = None,
    ) -> None:
        self.folders = folders
        self.instances = instances if instances is not None else Instances()
        self.settings = settings
        self.observers = list(observers)
        self.token = token if token is not None else CancelToken()
        self._prompt = prompt
        self._executed = executed
        self._extra = extra_pnginfo
        self._making = dict(making or {})
        self._models = models
        self.node_id = self.display_id = self._title = ""
        self.files: list[Path] = []
        self.said: dict[str, None] = {}
        self.call, self.graphs = (0, 1), 0
        self.steps: SharedSteps | None = None
        self.served: set[str] = set()
        self.warnings: list[tuple[str, str]] = []
        self.written: dict[Path, None] = {}
        self._broken: list[tuple[Observer, Exception]] = []
        self._repeated: set[tuple[str, str]] = set()
        self._resources: dict[str, Any] = {}

    def for_node(
        self, node_id: str, display_id: str = "", steps: SharedSteps | None = None, title: str = ""
    ) -> RunContext:
        """A view for one node: its own id and lists of files and warnings, everything else shared.

        `display_id` is the node of the workflow that shows what it does, where that is another one.
        """
        view = object.__new__(RunContext)
        for name in self._SHARED:
            setattr(view, name, getattr(self, name))
        view.node_id, view.display_id, view._title = node_id, display_id, title
        view.files = []
        view.said = {}
        view.call, view.graphs = (0, 1), 0
        view.steps = steps
        return view

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Inside the block, this is the context of the node that is `called()` here."""
        token = _CALLED.set(self)
        try:
            yield
        finally:
            _CALLED.reset(token)

    def watch(self, observer: Observer) -> None:
        """Tell one observer more of what goes on from here to the end of the run."""
        self.observers.append(observer)

    def emit(self, event: Event) -> None:
        """Tell every observer. What one raises is not the node's affair: that one is told nothing more, and the run
        ends with the error at its next checkpoint.
        """
        for observer in self.observers:
            if self._broken and any(observer is broken for broken, _ in self._broken):
                continue
            try:
                observer(event)
            except Exception as error:
                name = getattr(observer, "__qualname__", type(observer).__qualname__)
                error.add_note(f"Raised by an observer of the run, {name}, when it was told of {type(event).__name__}.")
                self._broken.append((observer, error))

    def surface(self) -> None:
        """Raise what an observer raised, whatever a node made of it."""
        if self._broken:
            raise self._broken[0][1]

    def progress(self, value: int, total: int, image: Any = None, *, asked: bool = False) -> None:
        """Say that step `value` of `total` is done. Raises as `checkpoint` does, also for what observers did on it.

        `image` is a picture of it, `asked` whether it is drawn only because an observer takes previews. Of one of
        several calls: as many steps are taken to be in each.
        """
        self.checkpoint()
        if self.observers:
            place, count = self.call
            if image is not None:
                self.emit(Preview(self.node_id, image, self.display_id, asked))
            self.emit(Progress(self.node_id, place * total + value, count * total, self.display_id))
            self.checkpoint()

    @property
    def takes_images(self) -> bool:
        """Whether an observer takes pictures that are given to it: one whose attribute `takes_images` is true."""
        return any(getattr(observer, "takes_images", False) for observer in self.observers)

    @property
    def takes_previews(self) -> bool:
        """Whether an observer wants pictures of unfinished results: one whose attribute `takes_previews` is true."""
        return any(getattr(observer, "takes_previews", False) for observer in self.observers)

    def give(self, image: Any, index: int, count: int) -> None:
        """Give a finished PIL image, the one at `index` of `count`, to the observers. Raises as `checkpoint` does."""
        self.checkpoint()
        self.emit(ImageGiven(self.node_id, index, count, image, self.display_id))
        self.checkpoint()

    def warn(self, message: str) -> None:
        """Say something that does not stop the node, once; it ends up in RunResult.warnings."""
        if message in self.said:
            return
        self.said[message] = None
        if (self.display_id or self.node_id, message) not in self._repeated:
            self._warn(message)

    def repeat(self, message: str) -> None:
        """Say what the node warned of when it was computed, if this run has not said it; it does not say it twice."""
        said = (self.display_id or self.node_id, message)
        if said not in self.warnings:
            self._repeated.add(said)
            self._warn(message)

    def _warn(self, message: str) -> None:
        self.warnings.append((self.display_id or self.node_id, message))
        self.emit(NodeWarning(self.node_id, message, self.display_id, self._title))

    def wrote(self, path: Path) -> None:
        """Note a file that this node wrote; it ends up in RunResult.files.

        Best said inside the block that makes the file: it counts once the file is there, and a run that is stopped
        between the two still lists it.
        """
        self.files.append(path)
        self.written[path] = None

    @property
    def prompt(self) -> dict[str, Any]:
        """The workflow as it was given, in API format, made for the first who asks."""
        found: dict[str, Any] = self.shared("prompt", self._prompt)
        return found

    @property
    def executed(self) -> dict[str, Any]:
        """The prompt that is run: the one that was given, but for the nodes in it that were lowered."""
        if self._executed is None:
            return self.prompt
        found: dict[str, Any] = self.shared("executed", self._executed)
        return found

    @property
    def extra_pnginfo(self) -> dict[str, Any]:
        """What goes into files beside the prompt: the editor's workflow, made when the first file is written."""
        found: dict[str, Any] = self.shared("extra_pnginfo", self._extra)
        return found

    @property
    def provenance(self) -> dict[str, Any]:
        """What a written file says of its making, beside the workflow: Weft's version, modes, model digests."""
        from importlib.metadata import version

        models = self.shared("models", self._models)
        return {"version": version("weft"), **self._making, **({"models": models} if models else {})}

    def shared(self, name: str, make: Callable[[], Any]) -> Any:
        """What the nodes of this run share under `name`; `make` is called for the first who asks."""
        if name not in self._resources:
            self._resources[name] = make()
        return self._resources[name]

    def cancel(self, reason: str = "interrupted") -> None:
        """Ask the run to stop at its next checkpoint; safe from another thread or a signal handler."""
        self.token.cancel(reason)

    def checkpoint(self) -> None:
        """Raise Interrupted when the run was cancelled, or what an observer raised."""
        if self._broken:
            self.surface()
        self.token.check()
