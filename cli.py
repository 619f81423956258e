"""The command line: what all commands of `weft` have in common. Each stands in engine/commands/NAME.py.

A `weft run` that a worker carries out does not come here (src/weft/__main__.py).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Annotated, Any

import typer

from weft.engine.terminal.answer import Answer
from weft.engine.terminal.completing import for_bash
from weft.engine.terminal.groups import AllCommands
from weft.engine.terminal.streams import stoppable

app = typer.Typer(
    name="weft",
    cls=AllCommands,
    help="Run ComfyUI workflows without ComfyUI: no server, no browser, one command.",
    epilog=f"Settings: a flag beats the environment ({AllCommands.place}), which beats "
    "weft.toml in the current folder (models, input, output, ...). A picture that Weft made "
    "runs in the mode that made it, unless a flag says another.\n\n"
    "Exit codes: 0 done, 1 a node failed (with --keep-going: anything), 2 usage or unreadable file, 3 invalid "
    "workflow, 4 a model or input file is "
    "missing, 130 interrupted (Ctrl-C), 143 ended by SIGTERM.\n\n"
    "Example: weft run portrait.json --set KSampler.seed=7 --models ~/models",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"weft {version('weft')}")
        raise typer.Exit


@app.callback()
def _weft(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line with these arguments (default: the process's own) and return its exit code."""
    # Read when torch is loaded: threads that wait soon sleep, or beside any other work a run takes many times as long.
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "3000")
    code: Any = 0
    arguments = sys.argv[1:] if argv is None else list(argv)
    asked = {"as_json": "--json" in arguments, "as_events": "--events" in arguments}
    with stoppable() as stop:
        try:
            with for_bash(os.environ) if os.environ.get("_WEFT_COMPLETE") == "complete_bash" else nullcontext():
                app(args=None if argv is None else arguments, prog_name="weft", obj=stop)
        except SystemExit as end:
            code = end.code
            # typer leaves from where it told people what it could not read.
            message = getattr(end.__context__, "format_message", None)
            interrupted = getattr(end.__context__, "__cause__", None)  # no command had begun
            if isinstance(interrupted, KeyboardInterrupt):
                code = Answer(stop, **asked, quiet=True).ended(interrupted)
            elif message is not None:
                Answer(stop, **asked, quiet=True).refused(message(), int(code or 0))
        except (KeyboardInterrupt, Exception) as error:  # no command has begun: packs are imported for its options
            code = Answer(stop, **asked, quiet=True).ended(error)
    # A signal while typer reads the arguments ends in typer's own exit code.
    return 128 + stop.number if code and stop.number else int(code or 0)


if __name__ == "__main__":
    sys.exit(main())
