"""RunResult: what a run gave."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from weft.engine.errors import UsageError
from weft.engine.planning.plan import Plan
from weft.engine.schema.registry import Registry
from weft.engine.workflow.overrides import find_node


@dataclass(frozen=True)
class RunResult:
    """What a run gave. `result["5"][0]` is slot 0 of node 5, for output nodes and targets; other values are released.
    A slot that holds a list is a `Values`, a tuple, unless it is of one value: then it is that.

    Of an output node that is no target, a slot may be `ABSENT`: a model, which no cache on a disk can keep. A node may
    also be named by its title or class, as a target may. `files` in the order in which they were written (a cached
    output node's own are among them), without `previews`, which are temporary; `timings` are seconds of wall time of
    the nodes that ran, of one that expanded with what is inside; `cached` are those of the plan that did not
    run, because their outputs were there: in the cache, or from an equal node of this run; `loading` are the seconds
    in which libraries were imported, which count for no node; `ui` is what output nodes show; `status` is `failed`
    where the failure of an output node was let pass, else `done`. `blocked` says of output nodes and targets how
    many of their calls were not made, since what they would have got was blocked: there they wrote nothing.
    """

    outputs: Mapping[str, tuple[Any, ...]]
    ui: Mapping[str, Mapping[str, Any]]
    files: tuple[Path, ...]
    timings: Mapping[str, float]
    cached: tuple[str, ...]
    warnings: tuple[tuple[str, str], ...]
    plan: Plan
    registry: Registry = field(repr=False, compare=False)
    previews: tuple[Path, ...] = ()
    status: str = "done"
    loading: float = 0.0
    blocked: Mapping[str, int] = field(default_factory=dict)

    def __getitem__(self, node: str) -> tuple[Any, ...]:
        try:
            return self.outputs[node if node in self.outputs else self._find(node)]
        except UsageError as error:
            raise KeyError(str(error)) from None
        except KeyError:
            known = ", ".join(self.outputs) or "none"
            raise KeyError(f"node {node!r} is not in the result, which keeps {known}; name it a target") from None

    def __contains__(self, node: object) -> bool:
        if node in self.outputs:
            return True
        try:
            return isinstance(node, str) and self._find(node) in self.outputs
        except UsageError:
            return False

    def _find(self, node: str) -> str:
        """The id of the node of the workflow that the reference names. Raises UsageError."""
        return find_node(self.plan.lowered.source, node, self.registry)

    def __iter__(self) -> Iterator[str]:
        return iter(self.outputs)

    def to_json(self) -> dict[str, Any]:
        """The result as plain JSON data: no tensors."""
        return {
            "status": self.status,
            "files": [str(file) for file in self.files],
            "previews": [str(file) for file in self.previews],
            "outputs": {node_id: dict(ui) for node_id, ui in self.ui.items()},
            "cached": list(self.cached),
            "blocked": dict(self.blocked),
            "timings": {node_id: round(seconds, 6) for node_id, seconds in self.timings.items()},
            "loading": round(self.loading, 6),
            "warnings": [{"node_id": node_id, "message": message} for node_id, message in self.warnings],
        }
