"""The old way to open a checkpoint: with the name of a configuration file that says what it is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from weft.engine.context import RunContext
from weft.engine.schema.authoring import node
from weft.engine.schema.sockets import Files
from weft.nodes.core.conditioning import require
from weft.nodes.core.loaders import LIBRARIES as LIBRARIES
from weft.nodes.core.loaders import CheckpointLoaderSimple
from weft.nodes.core.types import Clip, Model, Vae, weights

# The configurations that come with ComfyUI: what each says of the model's target and of the text encoder's last layer.
# Everything else in them, the file of weights says itself.
_LAST_BUT_ONE = {"layer": -2}
_V = {"parameterization": "v"}
CONFIGS: Mapping[str, Mapping[str, Any]] = {
    "anything_v3.yaml": _LAST_BUT_ONE,
    "v1-inference.yaml": {},
    "v1-inference_clip_skip_2.yaml": _LAST_BUT_ONE,
    "v1-inference_clip_skip_2_fp16.yaml": _LAST_BUT_ONE,
    "v1-inference_fp16.yaml": {},
    "v1-inpainting-inference.yaml": {},
    "v2-inference-v.yaml": _V,
    "v2-inference-v_fp32.yaml": _V,
    "v2-inference.yaml": {},
    "v2-inference_fp32.yaml": {},
    "v2-inpainting-inference.yaml": {},
}
SUFFIXES = (".yaml",)


@node(display_name="Load Checkpoint With Config (DEPRECATED)", category="advanced/loaders", deprecated=True)
def CheckpointLoader(
    *,
    config_name: Annotated[str, Files("configs", suffixes=SUFFIXES, extra_choices=tuple(CONFIGS))],
    ckpt_name: Annotated[str, weights("checkpoints")],
    context: RunContext,
) -> tuple[Model, Clip, Vae]:
    """Open a checkpoint, and take two things from a configuration: whether it was trained for v, and its clip skip.

    Args:
        config_name: One of the configurations that come with ComfyUI, or a .yaml file below the configs folders.
        ckpt_name: A file below the checkpoints folders.
    """
    config = CONFIGS.get(config_name)
    if config is None:
        config = _read(context.folders.find("configs", config_name, SUFFIXES))
    model, clip, vae = CheckpointLoaderSimple(ckpt_name=ckpt_name, context=context)
    # As in ComfyUI, eps is never forced: what the file itself shows to be a v model stays one.
    if config.get("parameterization") == "v":
        from weft.nodes.diffusion.sampling.patches.sampling import discrete

        model = discrete(model, "v_prediction", zero_snr=False)
    if config.get("layer") is not None:
        clip = require(clip, "text encoder").with_layer(config["layer"])
    return model, clip, vae


def _read(path: Path) -> Mapping[str, Any]:
    """The two things in a configuration of CompVis' form; a DiffusionError says what is missing in it."""
    import yaml

    from weft.nodes.diffusion.errors import DiffusionError

    try:
        params = yaml.safe_load(path.read_text(encoding="utf-8"))["model"]["params"]
        encoder = params["cond_stage_config"].get("params") or {}
        layer = encoder.get("layer_idx")
        found = {"parameterization": params.get("parameterization"), "layer": None if layer is None else int(layer)}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DiffusionError(f"{path} is no YAML: {error}") from error
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        hint = "expected model.params.cond_stage_config, as in v1-inference.yaml"
        raise DiffusionError(f"{path} is no configuration of a Stable Diffusion model: {hint}") from error
    return found
