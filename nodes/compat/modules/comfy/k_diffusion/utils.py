"""`comfy.k_diffusion.utils`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar


def append_zero(x: Any) -> Any:
    """A schedule with a 0 behind it."""
    import torch

    return torch.cat([x, x.new_zeros([1])])


def append_dims(x: Any, target_dims: int) -> Any:
    """A tensor with axes of length 1 behind its own, up to so many."""
    missing = target_dims - x.ndim
    if missing < 0:
        raise ValueError(f"a tensor of {x.ndim} axes cannot become one of {target_dims}")
    return x[(..., *[None] * missing)]


class FolderOfImages:
    """The pictures below a folder. Each is given as (picture,)."""

    IMG_EXTENSIONS: ClassVar[set[str]] = {".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp"}

    def __init__(self, root: Any, transform: Any = None) -> None:
        self.root = Path(root)
        self.transform = transform if transform is not None else lambda picture: picture
        self.paths = sorted(path for path in self.root.rglob("*") if path.suffix.lower() in self.IMG_EXTENSIONS)

    def __repr__(self) -> str:
        return f'FolderOfImages(root="{self.root}", len: {len(self)})'

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, key: int) -> tuple[Any]:
        from PIL import Image

        with Image.open(self.paths[key]) as picture:
            return (self.transform(picture.convert("RGB")),)
