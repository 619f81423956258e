"""What the built-in nodes can be told beside their inputs: settings, and the pass that one of them switches on."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from weft.engine.errors import MissingEmbedding
from weft.engine.schema.packs import Pass, Version
from weft.engine.settings import Flag, Setting
from weft.nodes.diffusion.eras import ERAS, NEWEST
from weft.nodes.diffusion.weights.bytesize import read_bytes

SETTINGS = (
    Setting(
        "sampling",
        Literal["comfy", "continuous"],
        "comfy",
        Flag(
            "comfy: the numbers of ComfyUI; continuous: a run cut in stages equals the single run bit for bit.",
            metavar="MODE",
        ),
        numbers=True,
        words={"comfy": "in comfy mode", "continuous": "in continuous mode"},
        verb="sampled",
        label="sampling mode",
    ),
    Setting(
        "numbers",
        Literal[ERAS],
        NEWEST,
        Flag(
            "The version of ComfyUI whose numbers are meant, where two of them differ: docs/differences.md lists how.",
            metavar="VERSION",
        ),
        numbers=True,
        words={era: f"with the numbers of ComfyUI {era}" for era in ERAS},
        label="version of ComfyUI's numbers",
        unsaid=ERAS[0],
    ),
    # Runs that have it on differ by the nodes that a prompt is lowered to.
    Setting(
        "prompt_schedule",
        bool,
        False,
        Flag(
            "Read the prompts of every KSampler in the web UI's syntax: [a hat:0.5] comes in half-way, [red|blue] "
            "alternates. The run is cut in stages there, in continuous mode.",
            commands=("run", "plan"),
        ),
        words={True: "with its prompts read as schedules", False: "with its prompts as they are"},
        label="prompts read as schedules",
    ),
    Setting(
        "stand_ins",
        bool,
        False,
        Flag(
            "Try a workflow without its models and pictures: small ones stand in for what is not there, and sizes and "
            "steps are scaled down, so that it takes seconds. What stands in for what is said.",
            commands=("run", "plan", "validate", "test"),
        ),
        words={True: "with stand-ins for missing files", False: "without stand-ins"},
        label="stand-ins for missing files",
    ),
    Setting(
        "full",
        bool,
        False,
        Flag(
            "With --stand-ins: sizes and steps as the workflow has them.", commands=("run", "plan", "validate", "test")
        ),
        words={True: "at full size", False: "at the size of stand-ins"},
        label="full size",
        needs="stand_ins",
    ),
    Setting(
        "missing_embeddings",
        Literal["error", "warn"],
        "error",
        numbers=True,
        forgives={"warn": (MissingEmbedding.code,)},
    ),
    Setting(
        "vram",
        Annotated[int, BeforeValidator(read_bytes)],
        None,
        Flag(
            "How much of the GPU's memory may be taken, as 8G: models leave it after their last use, and one that does "
            "not fit comes block by block. At first: all that is free, but for a reserve.",
            metavar="SIZE",
        ),
    ),
    Setting(
        "cuda_graphs",
        bool,
        False,
        Flag(
            "On a GPU, record the steps of a UNet that repeat and replay them: less time between small operations. A "
            "record that gives other bits than the step it was made from is not used.",
            commands=("run", "sweep", "serve"),
        ),
    ),
    Setting("max_pixels", Annotated[int, Field(ge=1)], 1 << 27),
)

PASSES = (
    Pass("prompt_schedule", "no text that a KSampler is steered by has a prompt schedule in it: nothing was changed"),
)

SAMPLING_VERSION = Version("sampling_version", 1, "the sampling modes' numbers")
"""Raised whenever a sampling mode gives other numbers for the same workflow."""
