"""The arguments and options that several commands take, each with its help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

WorkflowArgument = Annotated[
    str,
    typer.Argument(
        metavar="WORKFLOW",
        help="A saved workflow: the editor's own save, an API export, or a picture (PNG, WebP, JPEG), FLAC or MP4 that "
        "carries one; - reads standard input.",
    ),
]
WorkflowsArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="WORKFLOW...",
        help="Saved workflows: the editor's own save, an API export, or a picture (PNG, WebP, JPEG), FLAC or MP4 that "
        "carries one; - reads standard input. Several share what they have in common, such as a loaded checkpoint.",
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NODE.INPUT=VALUE",
        help="Give an input another value; may be repeated. NODE is an id, a title or a class_type; "
        "'KSampler (Advanced)#2' is the second of its name. The value is read as the input's type. An input file "
        "(LoadImage) may be a path to anywhere.",
    ),
]
OnlyOption = Annotated[
    list[str] | None,
    typer.Option(
        "--only",
        metavar="NODE",
        help="Run this node and what it depends on, and no other output; may be repeated. What is wrong with the rest, "
        "such as a class that is not here, does not matter. Not with --target.",
    ),
]
BypassOption = Annotated[
    list[str] | None,
    typer.Option(
        "--bypass",
        metavar="NODE",
        help="Bypass this node, as Ctrl-B in the editor: what comes in goes on where the types agree; may be repeated.",
    ),
]
MuteOption = Annotated[
    list[str] | None,
    typer.Option(
        "--mute",
        metavar="NODE",
        help="Mute this node, as Ctrl-M in the editor: it does not run, and what needs it lacks it; may be repeated.",
    ),
]
ModelsOption = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="DIR",
        exists=True,
        file_okay=False,
        help="A folder with checkpoints/, loras/, vae/, embeddings/, ...; may be repeated, the first one is searched "
        "first. An extra_model_paths.yaml in it or beside it is read. Environment: WEFT_MODELS.",
        show_default="./models",
    ),
]
InputOption = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        exists=True,
        file_okay=False,
        help="The folder of input files (LoadImage, LoadLatent, ...). Environment: WEFT_INPUT.",
        show_default="./input",
    ),
]
OutputOption = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        file_okay=False,
        help="The folder that files are written to; made when it is needed. Environment: WEFT_OUTPUT.",
        show_default="./output",
    ),
]
DeviceOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="auto (a GPU where there is one), cpu, cuda or cuda:N. Environment: WEFT_DEVICE.",
        show_default="auto",
    ),
]
DtypeOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="auto, float32, float16 or bfloat16. Environment: WEFT_DTYPE.", show_default="auto"
    ),
]
SamplingOption = Annotated[
    str | None,
    typer.Option(
        metavar="MODE",
        help="comfy: the numbers of ComfyUI; continuous: a run cut in stages equals the single run bit for bit. "
        "Environment: WEFT_SAMPLING.",
        show_default="comfy",
    ),
]
TargetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--target",
        metavar="NODE",
        help="Run this node too, although no output node asks for it; may be repeated. NODE as in --set.",
    ),
]
PromptScheduleOption = Annotated[
    bool | None,
    typer.Option(
        "--prompt-schedule/--no-prompt-schedule",
        help="Read the prompts of every KSampler in the web UI's syntax: \\[a hat:0.5] comes in half-way, \\[red|blue] "
        "alternates. The run is cut in stages there, in continuous mode. Environment: WEFT_PROMPT_SCHEDULE.",
    ),
]
SeedOption = Annotated[
    str | None,
    typer.Option(
        "--seed",
        metavar="SEED",
        help="What every seed is, and what becomes of it in the further runs of -n: a number, which counts up; random, "
        "drawn for each run; increment, decrement or fixed. A seed given by --set stays. Dynamic prompts, {cat|dog} in "
        "an editor's save, are drawn in further runs; with random in the first one too.",
    ),
]
UiOption = Annotated[
    bool,
    typer.Option("--ui", help="Where a picture carries both, take the editor's workflow, not the prompt that ran."),
]
ObjectInfoOption = Annotated[
    Path | None,
    typer.Option(
        "--object-info",
        metavar="FILE",
        exists=True,
        dir_okay=False,
        help="What a real ComfyUI answers to GET /object_info: describes node classes that are not here.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Write one JSON document to stdout, also for an error.")]
EventsOption = Annotated[
    bool,
    typer.Option(
        "--events",
        help="Write every event as one line of JSON to stdout as it happens (NDJSON), and no progress to stderr. "
        "After an error the last line is an Error event.",
    ),
]
QuietOption = Annotated[
    bool, typer.Option("--quiet", "-q", help="Nothing but errors on stderr; stdout is as it would be.")
]
