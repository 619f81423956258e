"""What measures tensors. The engine knows none: an installed pack brings the instrument."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol, cast

from weft.engine.errors import DefinitionError, Warn, WeftError, python_warning
from weft.engine.schema.packs import Packs, resolve

Tensor = Any
"""What the instrument calls a tensor; here it is only passed on."""


class Evaluations(Protocol):
    """A running count of network evaluations."""

    calls: int


class Instrument(Protocol):
    """See weft.nodes.diffusion.testing.measures, which is one."""

    def tensor(self, value: Any) -> Tensor | None:
        """The value as a tensor, or None for what is none."""

    def kept(self, value: Tensor) -> Tensor:
        """A copy that nobody writes into."""

    def digest(self, value: Tensor) -> str:
        """Equal exactly for equal bits, dtype and shape."""

    def facts(self, value: Tensor) -> dict[str, Any]:
        """The fields of a TensorLeaf."""

    def difference(self, got: Tensor, expected: Tensor, *, picture: bool) -> dict[str, Any]:
        """How far two tensors of one shape are apart."""

    def near_color(self, value: Tensor, color: tuple[int, int, int], tolerance: float) -> int:
        """How many pixels lie near a colour."""

    def read_picture(self, path: Path) -> Tensor | None:
        """The frames of a picture file as a tensor, or None for what is none."""

    def frame_durations(self, path: Path) -> list[int]:
        """Milliseconds that each frame of a picture file is shown."""

    def read_tensors(self, path: Path) -> dict[str, Tensor]:
        """The tensors of a safetensors file. Raises ValueError."""

    def tensor_bytes(self, tensors: Mapping[str, Tensor]) -> bytes:
        """A safetensors file."""

    def environment(self, device: str, dtype: str) -> dict[str, Any]:
        """The fields of a Birth that decide the last bits. Raises ValueError for a device that is not there."""

    def counter(self) -> AbstractContextManager[Evaluations]:
        """Counts evaluations of denoising networks inside the block."""

    def png(self, value: Tensor) -> bytes:
        """Pictures, masks or latents as one PNG."""

    def heat_map(self, got: Tensor, expected: Tensor) -> bytes:
        """Where two tensors differ, as PNG."""


def find_instrument(warn: Warn = python_warning) -> Instrument:
    """The instrument of the installed packs; `warn` is told of one that cannot be loaded and is left out.

    Raises WeftError where there is none, or several.
    """
    places, found = {pack.name: pack.instrument for pack in Packs.installed() if pack.instrument}, {}
    for name, place in places.items():
        try:
            found[place] = resolve(place)
        except DefinitionError as error:
            warn(f"node pack {name!r}: its instrument cannot be loaded from {error.message}")
    if len(found) != 1:
        names = ", ".join(found) or "none"
        hint = "install Weft itself: pip install ." if not places else "uninstall the others" if found else ""
        raise WeftError(f"expected one instrument of an installed pack that can be loaded, found {names}", hint=hint)
    return cast(Instrument, next(iter(found.values())))
