"""A prompt on its way through the server, and what is left of it afterwards."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from weft.engine.cancel import CancelToken

if TYPE_CHECKING:
    from weft.engine.planning.lowering import Lowered

_SECRET = re.compile(
    r"(?:^|[_\W])(?:api_?key|access_?key|auth|authorization|token|secret|password|passwd|cookie|credentials?)(?:$|[_\W])"
)


def is_secret(name: str) -> bool:
    """Whether what `extra_data` has under this name is for nobody to read again, in a queue, a history or a file."""
    return bool(_SECRET.search(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()))


def without_secrets(value: Any) -> Any:
    """The same, but for what has the name of a secret, at any depth; workflows stay as they are."""
    if isinstance(value, Mapping):
        return {
            name: each if name == "extra_pnginfo" else without_secrets(each)
            for name, each in value.items()
            if not is_secret(str(name))
        }
    return [without_secrets(each) for each in value] if isinstance(value, list) else value


@dataclass(eq=False)
class Job:
    """A prompt that waits, or runs. `prompt` is in API format, its constants as they were read; `outputs` are to run.

    The smallest `number` runs first. `lowered` is what is planned of it; None after a restart: it is made again.
    """

    number: float
    prompt_id: str
    prompt: Mapping[str, Any]
    extra_data: Mapping[str, Any]
    outputs: Sequence[str]
    lowered: Lowered | None = None
    created: float = field(default_factory=time.time)
    started: float | None = None
    token: CancelToken = field(default_factory=CancelToken)

    @property
    def client_id(self) -> str | None:
        """Whose it is, if anybody's."""
        found = self.extra_data.get("client_id")
        return found if isinstance(found, str) else None

    @property
    def item(self) -> list[Any]:
        """The job as ComfyUI's queue and history show it."""
        return [self.number, self.prompt_id, self.prompt, self.extra_data, list(self.outputs)]


@dataclass(eq=False)
class Done:
    """What is kept of a job that has ended: ComfyUI's entry of the history, and when it was what."""

    entry: dict[str, Any]
    created: float
    started: float
    ended: float

    @property
    def prompt_id(self) -> str:
        """The job's."""
        found: str = self.entry["prompt"][1]
        return found
