"""Draw the pictures of the documentation: every graph in workflows/, run on the small model, into docs/images.

    python docs/pictures.py [--models DIR] [--to DIR]

A picture is called by its `filename_prefix`, and carries the graph that made it: `weft run docs/images/txt2img.png`.
One of the graphs is drawn itself, as `render.png`.
"""

from __future__ import annotations

import argparse
import re
import shutil
import tempfile
from pathlib import Path

import weft
from weft.cli import main as weft_command

ROOT = Path(__file__).resolve().parent.parent
WORKFLOWS = ROOT / "workflows"

# Runs beside the plain one of each graph: the graph, the mode of sampling, and what the pictures' names begin with.
MORE = (("sampling_modes", "continuous", "continuous-"),)

# What docs/sweeps.md shows.
SWITCH = {"first: apple.end_at_step,then: rabbit.start_at_step": range(21)}

# What docs/authoring.md shows as a drawing.
DRAWN = "lora_switch.json"


def draw(folder: Path, models: Path) -> list[Path]:
    """Run every graph and put its pictures into `folder`; gives their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    cache = weft.MemoryCache()
    made: list[Path] = []
    plain = [(file.stem, "comfy", "") for file in sorted(WORKFLOWS.glob("*.json")) if file.name.count(".") == 1]
    for name, sampling, beginning in (*plain, *MORE):
        with tempfile.TemporaryDirectory() as output:
            result = weft.run(
                WORKFLOWS / f"{name}.json",
                models=models,
                input=WORKFLOWS / "input",
                output=output,
                device="cpu",
                sampling=sampling,
                cache=cache,
            )
            for file in map(Path, result.files):
                inside = file.relative_to(Path(output).resolve()).with_suffix("")
                called = beginning + re.sub(r"_\d{5}_$", "", inside.as_posix()).replace("/", "-")
                made.append(folder / f"{called}{file.suffix}")
                shutil.copyfile(file, made[-1])
    with tempfile.TemporaryDirectory() as output:
        graph = WORKFLOWS / "prompt_switch.json"
        list(weft.sweep(graph, models=models, output=output, device="cpu", cache=cache, grid=SWITCH))
        made.append(folder / "sweep-sheet.png")
        shutil.copyfile(Path(output) / "sheet.png", made[-1])
    with tempfile.TemporaryDirectory() as output:
        made.append(folder / "render.png")
        graph, where = str(WORKFLOWS / DRAWN), ["--models", str(models), "--output", output, "--device", "cpu"]
        weft_command(["render", graph, "-o", str(made[-1]), "--scale", "0.6", "--run", "--quiet", *where])
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, default=WORKFLOWS / "models")
    parser.add_argument("--to", type=Path, default=ROOT / "docs" / "images")
    arguments = parser.parse_args()
    for path in draw(arguments.to, arguments.models):
        print(path)


if __name__ == "__main__":
    main()
