"""What recording a run costs: the same run with and without a recorder, side by side in one process.

    python benchmarks/recording.py [--models FOLDER] [--workflow FILE] [--runs N] [--threads N]

CPU seconds, so that other work on the machine does not count; the runs alternate. `recorder` is the time spent inside
the recorder itself, `share` that time over the whole run's. The bound is 5 %.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "src"))

BOUND = 0.05


class Timed:
    """A recorder that takes the time it needs."""

    def __init__(self, recorder: Any) -> None:
        self.recorder = recorder
        self.seconds = 0.0

    def __call__(self, step: Any, entry: Any) -> None:
        started = time.process_time()
        self.recorder(step, entry)
        self.seconds += time.process_time() - started


def rows(workflow: Path, models: Path, runs: int) -> Iterator[dict[str, float]]:
    """CPU seconds of a run without recorder, of one with it, and inside the recorder; the first pair is not counted."""
    from weft.engine.session import Session
    from weft.engine.testing.instrument import find_instrument
    from weft.engine.testing.recorder import Recorder
    from weft.engine.testing.writing import wanted

    instrument = find_instrument()
    with tempfile.TemporaryDirectory() as place:
        for number in range(runs + 1):
            row = {}
            for kind in ("plain", "recorded"):
                session = Session(
                    models=(models,),
                    input=ROOT / "workflows" / "input",
                    output=Path(place) / f"{kind}{number}",
                    device="cpu",
                )
                plan = session.plan(session.read(workflow))
                recorder = Recorder(
                    instrument,
                    session.registry,
                    session.folders,
                    session.digests,
                    lambda node_id, leaf: wanted(leaf, "small"),
                )
                watch = Timed(recorder) if kind == "recorded" else None
                started = time.process_time()
                session.execute(plan, watch=watch)
                row[kind] = time.process_time() - started
                if watch is not None:
                    row["recorder"] = watch.seconds
            if number:
                yield row


def measure(workflow: Path, models: Path, runs: int) -> dict[str, Any]:
    """The medians over `runs` pairs."""
    found = list(rows(workflow, models, runs))
    medians = {name: statistics.median(row[name] for row in found) for name in found[0]}
    share = statistics.median(row["recorder"] / row["recorded"] for row in found)
    return {
        "workflow": workflow.name,
        "runs": runs,
        **{f"{name}_cpu_s": round(value, 4) for name, value in medians.items()},
        "share": round(share, 4),
        "bound": BOUND,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, default=ROOT / "workflows" / "models")
    parser.add_argument("--workflow", type=Path, default=ROOT / "workflows" / "txt2img.api.json")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()

    import torch

    torch.set_num_threads(arguments.threads)
    found = measure(arguments.workflow, arguments.models, arguments.runs)
    print(json.dumps(found, indent=2))
    sys.exit(found["share"] > BOUND)


if __name__ == "__main__":
    main()
