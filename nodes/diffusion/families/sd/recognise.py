"""What a checkpoint is, told by the shapes of its tensors and by what it states: its kind (see sizes)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from weft.nodes.diffusion.errors import CheckpointError
from weft.nodes.diffusion.families.known import CONTROL_OF_DIFFUSERS, foreign
from weft.nodes.diffusion.families.sd.keymaps.controlnet import DIFFERENCE, LOW_RANK, PREFIX
from weft.nodes.diffusion.families.sd.keymaps.unet import PREFIX as UNET
from weft.nodes.diffusion.families.sd.kind import SDKind, SDVaeKind
from weft.nodes.diffusion.families.sd.releases import (
    LATENT_CHANNELS,
    V_PREDICTION,
    ZERO_SNR,
    Release,
    completed,
    release_of,
)
from weft.nodes.diffusion.families.sd.sizes import check_agreement, merged, read_sizes, stated_in, supported_vae
from weft.nodes.diffusion.weights.landings import Shapes

if TYPE_CHECKING:
    from weft.nodes.diffusion.families.protocol import FileShapes, Read
    from weft.nodes.diffusion.families.sd.controlnet import SDControlKind


def recognise(shapes: FileShapes, metadata: Mapping[str, str] | None = None, read: Read | None = None) -> SDKind | None:
    """What a checkpoint is, with the sizes of its networks; None for none of this family.

    Args:
        shapes: every key of the file with its shape.
        metadata: the file's safetensors metadata.
        read: gives the numbers of a tensor, of which one tells what SD 2.x predicts; without it that is the noise.

    Raises:
        CheckpointError: it is of a variant that is not supported, or lacks keys that tell its sizes.
    """
    if foreign(shapes) or not Shapes(shapes, UNET).any("input_blocks."):
        return None
    release, unet, text_encoders, vae = read_sizes(shapes)
    kind = SDKind(
        name=release.name,
        unet=unet,
        text_encoders=text_encoders,
        vae=vae,
        latent_scale=release.latent_scale,
        prediction=_prediction(release, unet["in_channels"], shapes, read),
        # As in ComfyUI, the mark counts beside that of v-prediction alone.
        zero_snr=V_PREDICTION in shapes and ZERO_SNR in shapes,
        inputs=release.inputs[unet["in_channels"]],
        sizes=release.sizes,
    )
    kind = _configured(kind, metadata or {})
    check_agreement(kind.unet, kind.text_encoders)
    return kind


def recognise_vae(shapes: FileShapes, metadata: Mapping[str, str] | None = None) -> SDVaeKind | None:
    """As `recognise`, for a file that holds an autoencoder or half of one; what it states is merged over the shapes."""
    found = Shapes(shapes)
    if not found.any("encoder.down.") and not found.any("decoder.up."):
        return None
    return SDVaeKind(supported_vae(found, stated_in(metadata or {}).get("vae", {})))


def recognise_controlnet(shapes: FileShapes) -> SDControlKind | None:
    """See Family."""
    from weft.nodes.diffusion.families.sd.adapter import recognise_adapter
    from weft.nodes.diffusion.families.sd.control_lora import control_lora, whole_shapes
    from weft.nodes.diffusion.families.sd.controlnet import SDControlKind, widths
    from weft.nodes.diffusion.families.sd.keymaps import diffusers_shapes, read_controlnet
    from weft.nodes.diffusion.families.sd.union import SDUnionKind, split_union, union_sizes

    adapter = recognise_adapter(shapes)
    if adapter is not None:
        return adapter
    if LOW_RANK in shapes:
        whole = recognise_controlnet(whole_shapes(shapes))
        return None if whole is None else control_lora(whole.name, whole.net, shapes)
    own, of_union = split_union({key: shape for key, shape in shapes.items() if key != DIFFERENCE})
    prefix = PREFIX if Shapes(own, PREFIX) else ""
    of_diffusers = CONTROL_OF_DIFFUSERS in own
    other = foreign(own)
    original = diffusers_shapes(own) if of_diffusers and not other else own
    if other or f"{prefix}input_hint_block.0.weight" not in original:
        return None
    net = read_controlnet(Shapes(original, prefix))
    release = release_of(net)
    if release is None or net["in_channels"] != LATENT_CHANNELS or net["conditioning_channels"] != 3:
        got = f"{net['in_channels']} latent and {net['conditioning_channels']} image channels"
        raise CheckpointError(f"this ControlNet is of no known family: it reads {got}, and levels of {widths(net)}")
    sizes, is_difference = completed(net, release), DIFFERENCE in shapes
    if not of_union:
        return SDControlKind(release.name, sizes, prefix, of_diffusers, is_difference)
    if not of_diffusers:
        raise CheckpointError("a union ControlNet in the original layout is not supported; expected diffusers' names")
    return SDUnionKind(release.name, {**sizes, **union_sizes(of_union)}, prefix, of_diffusers, is_difference)


def _prediction(release: Release, channels: int, shapes: Iterable[str], read: Read | None) -> str:
    if V_PREDICTION in shapes:
        return "v"
    # The inpainting model of SD 2 predicts noise.
    if release.v_sign is None or channels != LATENT_CHANNELS or read is None:
        return release.predictions.get(release.inputs[channels], "eps")
    name, bound = release.v_sign
    if UNET + name not in shapes:
        return "eps"
    return "v" if read(UNET + name).float().std(correction=0) > bound else "eps"


def _configured(kind: SDKind, metadata: Mapping[str, str]) -> SDKind:
    stated = stated_in(metadata)
    if not stated:
        return kind
    towers = merged({tower.name: {} for tower in kind.text_encoders}, stated["text_encoders"], "text_encoders")
    encoders = tuple(
        replace(tower, config=merged(tower.config, towers[tower.name], tower.name)) for tower in kind.text_encoders
    )
    vae = kind.vae if kind.vae is None else merged(kind.vae, stated["vae"], "vae")
    return replace(
        kind,
        unet=merged(kind.unet, stated["unet"], "unet"),
        text_encoders=encoders,
        vae=vae,
        prediction=stated["prediction"] or kind.prediction,
    )
