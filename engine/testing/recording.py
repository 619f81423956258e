"""Makes goldens: from a run, or by running a workflow."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from engine.errors import WeftError
from engine.events import Observer
from engine.registry import Registry
from engine.testing.goldens import How, golden_path, wanted, write_golden
from engine.testing.instrument import Instrument
from engine.testing.running import Run, performed
from engine.testing.settings import Options, options_for


def record(
    workflow: Path,
    instrument: Instrument,
    *,
    how: How | None = None,
    options: Options | None = None,
    place: Path | None = None,
    registry: Registry | None = None,
    observers: Sequence[Observer] = (),
) -> tuple[Run, list[Path]]:
    """Run a workflow and write its golden, beside it or at `place`; returns the run and the files written.

    What is there is replaced: who calls has asked. Raises WeftError, and writes nothing, where a node raised.
    """
    asked = how if how is not None else How(sampling="")
    said = (options or Options()).over(options_for(workflow.parent))
    with performed(
        workflow,
        asked,
        said,
        instrument,
        lambda _, leaf: wanted(leaf, asked.keep),
        registry=registry,
        observers=observers,
    ) as run:
        return run, keep(run, workflow, place if place is not None else golden_path(workflow), instrument)


def keep(run: Run, workflow: Path, place: Path, instrument: Instrument) -> list[Path]:
    """Write the golden of a run; returns the files. Raises WeftError where a node raised: nothing is written then."""
    for failed in run.failed.values():
        raise WeftError(f"{workflow}: {failed.where} failed: {failed.message}", hint="nothing was recorded")
    return write_golden(place, workflow.name, run.how, run.recording, run.tensors, instrument)
