"""Real-time error concealment for H.264 and HEVC.

`conceal_file` repairs a file; `open_decoder` gives a `ConcealingDecoder` put together as `conceal` uses it. Nothing is
imported before it is asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from concealer.damage import Damage, DamageMap
    from concealer.decoder import ConcealingDecoder, DecodedPicture
    from concealer.front_door import open_decoder
    from concealer.outcome import RepairOutcome
    from concealer.picture import Picture
    from concealer.repair import Repairer
    from pipelines import ConcealResult, Settings, conceal_file

__version__ = "0.1.0"

_FACE = {
    "ConcealResult": "pipelines",
    "ConcealingDecoder": "concealer.decoder",
    "Damage": "concealer.damage",
    "DamageMap": "concealer.damage",
    "DecodedPicture": "concealer.decoder",
    "Picture": "concealer.picture",
    "RepairOutcome": "concealer.outcome",
    "Repairer": "concealer.repair",
    "Settings": "pipelines",
    "conceal_file": "pipelines",
    "open_decoder": "concealer.front_door",
}

__all__ = [
    "ConcealResult",
    "ConcealingDecoder",
    "Damage",
    "DamageMap",
    "DecodedPicture",
    "Picture",
    "RepairOutcome",
    "Repairer",
    "Settings",
    "conceal_file",
    "open_decoder",
]


def __getattr__(name: str) -> Any:
    if name not in _FACE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_FACE[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
