"""Makes goldens: from a run, or by running a workflow."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from weft.engine.cancel import CancelToken
from weft.engine.errors import WeftError
from weft.engine.events import Observer
from weft.engine.schema.registry import Registry
from weft.engine.testing.goldens import How, golden_path
from weft.engine.testing.instrument import Instrument
from weft.engine.testing.running import Run, performed
from weft.engine.testing.settings import Options, options_for
from weft.engine.testing.writing import wanted, write_golden


def record(workflow: Path, instrument: Instrument, *, how: How | None = None, **more: Any) -> list[Path]:
    """Run a workflow (`more` as for `ran`) and write its golden beside it; returns the files.

    What is there is replaced: who calls has asked. Raises WeftError, and writes nothing, where a node raised.
    """
    run = ran(workflow, instrument, how if how is not None else How(), **more)
    return keep(run, workflow, golden_path(workflow), instrument)


def ran(
    workflow: Path,
    instrument: Instrument,
    how: How,
    *,
    options: Options | None = None,
    registry: Registry | None = None,
    observers: Sequence[Observer] = (),
    cancel: CancelToken | None = None,
) -> Run:
    """Run a workflow so that its golden can be written."""
    with performed(
        workflow,
        how,
        (options or Options()).over(options_for(workflow.parent)),
        instrument,
        lambda _, leaf: wanted(leaf, how.keep),
        registry=registry,
        observers=observers,
        cancel=cancel,
    ) as run:
        return run


def keep(run: Run, workflow: Path, place: Path, instrument: Instrument, *, new: bool = False) -> list[Path]:
    """Write the golden of a run; returns the files. `new`: one that is there is not replaced.

    Raises WeftError where a node raised: nothing is written then.
    """
    for failed in run.failed.values():
        raise WeftError(f"{workflow}: {failed.where} failed: {failed.message}", hint="nothing was recorded")
    return write_golden(place, workflow.name, run.how, run.recording, run.tensors, instrument, new=new)
