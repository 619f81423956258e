"""`weft` and `python -m weft`: a worker takes the run, or else this process is the command line."""

from __future__ import annotations

import atexit
import gc
import os
import sys
from contextlib import suppress


def main() -> int:
    """Run the command line with the process's arguments and return its exit code."""
    if sys.argv[1:2] == ["run"]:
        from weft.engine.worker.client import handed_over

        code = handed_over(sys.argv[1:])
        if code is not None:
            return code
    from weft.cli import main as run

    code = run()
    # Else the interpreter, as it ends, looks through all that libraries hold for cycles, several times: 0.4 s.
    gc.freeze()
    if "ray" in sys.modules:
        _end(code)
    return code


def _end(code: int) -> None:
    """End the process where Ray is loaded: what its C++ still does as the interpreter goes may be a SIGSEGV."""
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def work() -> None:
    """Be the worker that a run has started, and carry it out."""
    from weft.engine.worker.server import of_this_process

    worker, first = of_this_process()
    from weft.cli import main as run

    worker.serve(first, run)


if __name__ == "__main__":
    sys.exit(main())
