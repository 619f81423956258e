"""What `weft doctor` asks of the built-in nodes: torch, the tokenizer's vocabulary, and what model files are."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from weft.engine.checkup import Fact, UnusableModel
from weft.engine.folders import ALIASES
from weft.nodes.core.environment import version_of, works_on_gpus

_DRIVER = Path("/proc/driver/nvidia/version")
_PUT = re.compile(r" \(put it in (\w+)/\)")


class CoreCheckup:
    """See Checkup."""

    def facts(self) -> Iterator[Fact]:
        """See Checkup."""
        yield _torch()
        yield _vocabulary()

    def devices(self) -> Iterator[Fact]:
        """See Checkup."""
        import torch

        yield Fact("cpu", f"{os.cpu_count() or 1} processors, torch uses {torch.get_num_threads()}")
        try:
            count = torch.cuda.device_count()
            for index in range(count):
                properties = torch.cuda.get_device_properties(index)
                torch.zeros(1, device=f"cuda:{index}") + 1
                size = f"{properties.total_memory / 2**30:.1f} GiB"
                yield Fact(f"cuda:{index}", f"{properties.name}, {size}")
        except RuntimeError as error:
            first = str(error).partition("\n")[0]
            mend = "update the driver or install the build of torch for it: https://pytorch.org/get-started"
            yield Fact("cuda", f"torch cannot use the GPU: {first}", True, mend)

    def model(self, kind: str, file: Path) -> str:
        """See Checkup."""
        from weft.nodes.diffusion.errors import CheckpointError
        from weft.nodes.diffusion.families import known, release_in
        from weft.nodes.diffusion.weights.header import described, first_bytes, what_starts_so

        try:
            header = described(file)
            if header is None:
                start, _ = first_bytes(file)
                if start.startswith((b"PK", b"\x80\x02\x8a\nl")):
                    return "a file of torch.save, which is opened when it is used"
                raise UnusableModel(f"it is {what_starts_so(start)}", hint="fetch it again")
            shapes = header[1]
            release = release_in(shapes)
        except CheckpointError as error:
            raise UnusableModel(str(error)) from error
        if release:
            return release
        found = known.describe(shapes)
        place = _PUT.search(found)
        if place is not None and kind in known_kinds() and not _is_there(kind, place[1]):
            raise UnusableModel(f"it is {_PUT.sub('', found)}", hint=f"put it in {place[1]}/")
        return f"{_PUT.sub('', found)}{', which is not run here' if known.foreign(shapes) else ''}"


CHECKUP = CoreCheckup()


def known_kinds() -> set[str]:
    """The kinds of folders that a file of another kind is of no use in."""
    return {"checkpoints", "loras", "vae", "controlnet", "embeddings", "upscale_models", *ALIASES["text_encoders"]}


def _is_there(kind: str, place: str) -> bool:
    return kind == place or any(kind in names and place in names for names in ALIASES.values())


def _torch() -> Fact:
    version = version_of("torch")
    if not version:
        return Fact("torch", "is not installed", True, "pip install torch")
    gpus = works_on_gpus()
    if not gpus and _DRIVER.exists():
        mend = "install a build of torch for CUDA: https://pytorch.org/get-started"
        return Fact("torch", f"{version} is built for CPUs alone, and there is an NVIDIA GPU", True, mend)
    return Fact("torch", f"{version}, built for {'GPUs' if gpus else 'CPUs alone'}")


def _vocabulary() -> Fact:
    from weft.nodes.diffusion.errors import DiffusionError
    from weft.nodes.diffusion.text.tokenizer import vocabulary_file

    try:
        return Fact("tokenizer", f"CLIP's vocabulary, {vocabulary_file()}")
    except DiffusionError as error:
        return Fact("tokenizer", str(error), True, "pip install 'refiners>=0.4,<0.5'")
