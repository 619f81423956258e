"""Wan's networks: diffusers' classes and what Fun and camera control have beside them, called in one way.

Sources: diffusers' WanTransformer3DModel and WanVACETransformer3DModel, whose arithmetic this is; VideoX-Fun
(Apache-2.0) for the reference frame and the camera.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import torch
from diffusers import WanTransformer3DModel, WanVACETransformer3DModel
from diffusers.models.attention_dispatch import dispatch_attention_fn
from torch import Tensor, nn

from weft.nodes.diffusion.families.replaced import Args, Replacement
from weft.nodes.diffusion.families.wan.positions import PLAIN, Positions, angles_at

# Not diffusers' own: see `wan_network`.
OWN = ("reference_channels", "camera_channels", "camera_blocks")


def wan_network(sizes: Mapping[str, Any]) -> nn.Module:
    """A network as `forward` calls it.

    sizes: keyword arguments of diffusers' WanTransformer3DModel, with vace_layers of WanVACETransformer3DModel; and
    reference_channels, of a frame that is shown before the video (`ref_conv`), camera_channels, of the rays that one
    element of the latent stands for, and camera_blocks (`control_adapter`).
    """
    known = {name: value for name, value in sizes.items() if name not in OWN}
    module: Any = (WanVACETransformer3DModel if "vace_layers" in sizes else WanTransformer3DModel)(**known)
    width, patch = module.config.num_attention_heads * module.config.attention_head_dim, module.config.patch_size[1:]
    if "reference_channels" in sizes:
        module.ref_conv = nn.Conv2d(sizes["reference_channels"], width, patch, stride=patch)
    if "camera_channels" in sizes:
        module.control_adapter = CameraAdapter(sizes["camera_channels"], width, patch, sizes["camera_blocks"])
    if module.config.image_dim is not None:
        for block in module.blocks:
            block.attn2.set_processor(ImageAndText())
    # Its tables of angles are in no file: computed, where all else has no memory yet.
    with torch.device("cpu"):
        module.rope = type(module.rope)(module.rope.attention_head_dim, module.rope.patch_size, module.rope.max_seq_len)
    return cast("nn.Module", module)


class CameraAdapter(nn.Module):
    """Rays of a camera [N,c,T,h,w], those of an element in its channels -> what is added to the patches."""

    def __init__(self, channels: int, width: int, patch: tuple[int, int], blocks: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, width, patch, stride=patch)
        self.residual_blocks = nn.Sequential(*(_Residual(width) for _ in range(blocks)))

    def forward(self, rays: Tensor) -> Tensor:
        """[N,width,T,h/2,w/2]."""
        frames = rays.shape[2]
        made: Tensor = self.residual_blocks(self.conv(rays.movedim(2, 1).flatten(0, 1)))
        return made.reshape(-1, frames, *made.shape[1:]).movedim(1, 2)


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return x + cast("Tensor", self.conv2(torch.relu(self.conv1(x))))


class ImageAndText:
    """Attention over the tokens of a picture and over those of a text, one added to the other.

    diffusers' takes both in one and has 512 of a text, which a long prompt exceeds.
    """

    def __call__(self, attn: Any, hidden: Tensor, both: tuple[Tensor, Tensor], *_: Any) -> Tensor:
        """both: the tokens of the picture and of the text, [N,tokens,width] each."""
        image, text = both
        query = attn.norm_q(attn.to_q(hidden))
        of_text = _attended(attn, query, attn.norm_k(attn.to_k(text)), attn.to_v(text))
        of_image = _attended(attn, query, attn.norm_added_k(attn.add_k_proj(image)), attn.add_v_proj(image))
        return cast("Tensor", attn.to_out[1](attn.to_out[0](of_text + of_image)))


def _attended(attn: Any, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    query, key, value = (each.reshape(*each.shape[:2], attn.heads, -1) for each in (query, key, value))
    made: Tensor = dispatch_attention_fn(query, key, value)
    return made.flatten(2, 3).type_as(query)


def forward(
    network: Any,
    x: Tensor,
    timestep: Tensor,
    text: Tensor,
    *,
    image: Tensor | None = None,
    strengths: Tensor | None = None,
    replaced: Mapping[int, Replacement] | None = None,
    positions: Positions = PLAIN,
) -> Tensor:
    """What a network predicts for a noisy latent.

    Args:
        x: [N,c,T,h,w], h and w whole patches: the noisy latent and what its patches are made of beside it, then the
            channels of a reference frame (of a network that has one), of a camera (as far as there is one) and of as
            many controls of VACE as there are strengths.
        timestep: [N], or [N,T]: one for each frame.
        text: [N,tokens,width].
        image: [N,tokens,width] of CLIP vision. A network that reads one and gets none looks at the text in its place,
            as ComfyUI has it.
        strengths: [N,k], of k controls of VACE.
        replaced: functions in the place of blocks: of {"img": [N,tokens,width], "txt": what it reads, "vec": the
            modulation, "pe": the angles}, of which they give "img".
        positions: where the patches stand.

    Returns:
        [N,C,T,h,w].
    """
    beside = _Beside(network, x, 0 if strengths is None else strengths.shape[1])
    patches = network.patch_embedding(beside.latent)
    if beside.camera is not None:
        patches = patches + network.control_adapter(beside.camera)
    sizes = patches.shape[2:]
    if beside.reference is not None:
        patches = torch.cat([network.ref_conv(beside.reference)[:, :, None], patches], dim=2)
    hidden = _tokens(patches)
    angles = angles_at(network.rope, tuple(patches.shape[2:]), positions)
    each = _of_tokens(timestep, patches.shape[2], hidden.shape[1])
    time, modulation, text, _ = network.condition_embedder(
        each.flatten(), text, None, timestep_seq_len=each.shape[1] if each.dim() == 2 else None
    )
    modulation = modulation.unflatten(-1, (6, -1))
    read = text if network.config.image_dim is None else (_seen(network, image, text), text)

    controls = [_Control(network, hidden, _tokens(network.vace_patch_embedding(each))) for each in beside.controls]
    for index, block in enumerate(network.blocks):
        hidden = _block(block, hidden, read, modulation, angles, (replaced or {}).get(index))
        if controls and index in network.config.vace_layers:
            at = network.config.vace_layers.index(index)
            for place, control in enumerate(controls):
                hint = control.hint(at, read, modulation, angles)
                hidden = hidden + hint * cast("Tensor", strengths)[:, place, None, None].to(hint)
    hidden = hidden[:, hidden.shape[1] - sizes.numel() :]
    return _video(network, hidden, time[:, -hidden.shape[1] :] if time.dim() == 3 else time, sizes)


def _block(
    block: Any, hidden: Tensor, read: Any, modulation: Tensor, angles: Any, function: Replacement | None
) -> Tensor:
    if function is None:
        return cast("Tensor", block(hidden, read, modulation, angles))

    def original(args: Args) -> Args:
        return {"img": block(args["img"], args["txt"], args["vec"], args["pe"])}

    args = {"img": hidden, "txt": read, "vec": modulation, "pe": angles}
    return cast("Tensor", function(args, {"original_block": original})["img"])


class _Beside:
    """The parts of `forward`'s x, each None where the network has no use for it."""

    def __init__(self, network: Any, x: Tensor, controls: int) -> None:
        self.latent, x = _split(x, network.patch_embedding.in_channels)
        self.reference: Tensor | None = None
        if hasattr(network, "ref_conv"):
            frame, x = _split(x, network.ref_conv.in_channels)
            self.reference = frame[:, :, 0]
        self.controls: list[Tensor] = []
        if controls:
            of_controls = x[:, x.shape[1] - controls * network.config.vace_in_channels :]
            x = x[:, : x.shape[1] - of_controls.shape[1]]
            self.controls = list(of_controls.chunk(controls, dim=1))
        self.camera = x if x.shape[1] else None


class _Control:
    """One control on its way through the blocks of VACE, which go beside those of the network."""

    def __init__(self, network: Any, hidden: Tensor, control: Tensor) -> None:
        self._blocks, self._hidden, self._control = network.vace_blocks, hidden, control

    def hint(self, index: int, text: Any, modulation: Tensor, angles: Any) -> Tensor:
        """What the block of this number adds; to be asked in their order, each once."""
        hint, self._control = self._blocks[index](self._hidden, text, self._control, modulation, angles)
        return cast("Tensor", hint)


def _split(x: Tensor, channels: int) -> tuple[Tensor, Tensor]:
    return x[:, :channels], x[:, channels:]


def _tokens(patches: Tensor) -> Tensor:
    return patches.flatten(2).transpose(1, 2).contiguous()


def _of_tokens(timestep: Tensor, frames: int, tokens: int) -> Tensor:
    """[N], or [N,tokens]: a frame's for each of its tokens; a reference frame has the last one's."""
    if timestep.dim() == 1:
        return timestep
    first = timestep[:, -1:].expand(-1, frames - timestep.shape[1])
    return torch.cat([first, timestep], dim=1).repeat_interleave(tokens // frames, dim=1)


def _seen(network: Any, image: Tensor | None, text: Tensor) -> Tensor:
    """The tokens of a picture [N,tokens,width]; those of the text where there is none."""
    if image is None:
        return text
    embedder = network.condition_embedder.image_embedder
    if embedder.pos_embed is not None:
        places = embedder.pos_embed[:, : image.shape[1]]
        image = image[:, : places.shape[1]] + places
    return cast("Tensor", embedder.norm2(embedder.ff(embedder.norm1(image))))


def _video(network: Any, hidden: Tensor, time: Tensor, sizes: tuple[int, ...]) -> Tensor:
    """Tokens -> [N,C,T,h,w]."""
    table = network.scale_shift_table
    if time.dim() == 3:
        shift, scale = (part.squeeze(2) for part in (table[None] + time[:, :, None]).chunk(2, dim=2))
    else:
        shift, scale = (table + time[:, None]).chunk(2, dim=1)
    hidden = (network.norm_out(hidden.float()) * (1 + scale) + shift).type_as(hidden)
    made: Tensor = network.proj_out(hidden).reshape(len(hidden), *sizes, *network.config.patch_size, -1)
    return made.permute(0, 7, 1, 4, 2, 5, 3, 6).flatten(6, 7).flatten(4, 5).flatten(2, 3)
