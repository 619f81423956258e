"""What has changed in ComfyUI's numbers from version to version: eras, and the changes that each of them began with.

- A run computes in one era. Whoever starts it says which, `numbers_of`; elsewhere it is NEWEST.
- What a change is about asks `changed`, by the change's name, and compares no versions.
- Continuous mode's own numbers (noise by address) are of no era.

Numbers: parity_families/facts_eras.md; those goldens that differ are named by the changes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

from weft.nodes.diffusion.errors import DiffusionError, nearest

ERAS: Final = ("0.3.64", "0.33")
"""By the versions of ComfyUI that were measured, oldest first: each has the numbers of that one."""

NEWEST: Final = ERAS[-1]


@dataclass(frozen=True)
class EraChange:
    """A rule that an era began with.

    since: the era. rule: what holds from there on. of: what gives other numbers.
    goldens: of the reference, whose numbers differ by it; none where nothing was measured.
    """

    since: str
    rule: str
    of: str
    goldens: tuple[str, ...]


CHANGES: Final[Mapping[str, EraChange]] = {
    "seed-on-the-way": EraChange(
        "0.33",
        "on the CPU a sampler draws the noise that it adds on its way from seed + 1, so that the first of it is not "
        "the noise that the run began with; one path for the whole way (the SDE samplers) keeps the seed",
        "the ancestral samplers, ddpm, lcm, er_sde, seeds_2, seeds_3, sa_solver, exp_heun_2_x0_sde",
        ("era_ks_euler_ancestral_normal", "era_ks_seeds_3_karras", "flux_schnell_eulera"),
    ),
    "embedding-marks": EraChange(
        "0.33",
        "`embedding:NAME` is read behind any white space, a tab, too, and NAME ends at the first `<` or `[` as well as "
        "at white space; before, a tab made it plain text, and `<` and `[` were of the name",
        "prompts that name embeddings so",
        ("era_emb_bracket", "era_emb_tab"),
    ),
    "pictures-by-libav": EraChange(
        "0.33",
        "pictures are decoded by libav: its colours of JPEG, grey, 16 bits, BMP, GIF and webp, a mask of the picture's "
        "size where its pixels have a place for alpha, and LoadImageMask takes the channels that LoadImage gives; "
        "before, Pillow did",
        "LoadImage, LoadImageOutput, LoadImageMask",
        ("era_load_z_exif6_jpg", "era_load_z_16_png", "era_load_z_cmyk_jpg", "era_load_z_webp_webp"),
    ),
    "empty-latents-by-ratio": EraChange(
        "0.33",
        "an empty latent says how many pixels and frames an element of it is, and a model whose elements are others "
        "samples one of the same picture; before, one of the same elements",
        "an empty latent made for another family than the model's",
        (),
    ),
    "feather-far-edges": EraChange(
        "0.33",
        "a mask fades out towards its right and its lower side as towards the others, to the last pixel; before, the "
        "ramp was one pixel out, and its end stood at the other side",
        "FeatherMask",
        ("era_mask_feather",),
    ),
}

_CHOSEN: ContextVar[str] = ContextVar("the era of the run", default=NEWEST)


@contextmanager
def numbers_of(era: str) -> Iterator[None]:
    """Inside the block, numbers are those of this one of ERAS. Raises DiffusionError for another."""
    if era not in ERAS:
        raise DiffusionError(f"unknown era {era!r}{nearest(era, ERAS)}: one of {', '.join(ERAS)}")
    token = _CHOSEN.set(era)
    try:
        yield
    finally:
        _CHOSEN.reset(token)


def changed(name: str, era: str | None = None) -> bool:
    """Whether a change holds in an era; in None, in that of the run."""
    return ERAS.index(era or _CHOSEN.get()) >= ERAS.index(CHANGES[name].since)
