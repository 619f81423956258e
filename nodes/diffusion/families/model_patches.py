"""Model patches: networks of their own that step into another one, and stand on the MODEL, not on its prompts.

A family says what the file of one is (Family.recognise_patch), a PatchKind: without weights, as a ControlKind. What it
is told beside the model is its own: a SightKind sees pictures, a StyleKind what a vision tower made of some. A new kind
is one that a family recognises, and a node that puts it on a model (sampling.model_patch). Without torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

if TYPE_CHECKING:
    from torch import Tensor, nn

    from weft.nodes.diffusion.values.clip_vision import VisionOutput
    from weft.nodes.diffusion.weights.networks import Part

NETWORK = "network"
"""The key of transformer_options' "patches" below which they stand, and their place in Places.patched."""

NetworkPatch = Callable[["nn.Module", "Tensor", Mapping[str, Any]], "nn.Module"]
"""(network, sample [N,C,h,w] or [N,C,T,h,w], transformer_options) -> the network to call in its place, which shares its
weights."""


class Sights(NamedTuple):
    """What a patch is shown, at the size of the run's pictures.

    picture: [B,H,W,3] of 0..1. mask: [b,H,W] of 0..1, 1 where something is painted anew. painted: the picture in which
    that is, [B,H,W,3]. encode: pictures -> their latents [B,C,h,w], as the VAE gives them.
    """

    picture: Tensor | None
    mask: Tensor | None
    painted: Tensor | None
    encode: Callable[[Tensor], Tensor]


class PatchKind(Protocol):
    """What the model patch of a file is: which models it fits, and who puts it on one."""

    @property
    def name(self) -> str:
        """As Kind.name, of the models that it was made for."""

    @property
    def title(self) -> str:
        """How people call it, as "a DiffSynth ControlNet for Qwen-Image"."""

    @property
    def applied_by(self) -> str:
        """The class of the node that puts it on a model."""

    @property
    def ignored(self) -> Mapping[str, str]:
        """As Kind.ignored."""

    def part(self) -> Part:
        """Its network."""

    def check_fit(self, module: nn.Module, network: nn.Module) -> None:
        """Raise DiffusionError where a model of its family has another size. network: the model's."""


@runtime_checkable
class SightKind(PatchKind, Protocol):
    """A patch that sees pictures, as the model's VAE encodes them."""

    def check_shown(self, *, picture: bool, mask: bool, painted: bool) -> None:
        """Raise DiffusionError where it cannot see what there is, or misses something."""

    def seen(self, module: nn.Module, shown: Sights) -> Tensor:
        """What it sees, [B,...], once for all steps of a size; on its device, in its number format."""

    def joined(self, module: nn.Module, network: nn.Module, seen: Tensor, strength: float) -> nn.Module:
        """The network with it inside, for one call: it shares the weights of both. seen: [N,...], of `seen`."""


@runtime_checkable
class StyleKind(PatchKind, Protocol):
    """A patch that puts what a vision tower made of pictures beside the prompt."""

    def check_seen(self, seen: VisionOutput) -> None:
        """Raise DiffusionError where another tower is needed."""

    def rows(self, module: nn.Module, seen: VisionOutput) -> Tensor:
        """What the network reads of the pictures, one behind the other: [1,n,C], as the patch's own weights are."""

    def styled(self, network: nn.Module, rows: Tensor) -> nn.Module:
        """The network that reads these rows, for one call: it shares its weights. rows: of `rows`."""
