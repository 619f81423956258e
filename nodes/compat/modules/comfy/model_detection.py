"""`comfy.model_detection`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

PREFIXES = ("model.diffusion_model.", "model.model.", "net.")


def unet_prefix_from_state_dict(state_dict: Mapping[str, object]) -> str:
    """What stands before the names of a diffusion model: the prefix that most keys have, or "model."."""

    def count(prefix: str, names: Iterable[str]) -> int:
        return sum(name.startswith(prefix) for name in names)

    most = max(PREFIXES, key=lambda prefix: count(prefix, state_dict))
    return most if count(most, state_dict) > 5 else "model."
