"""The interface of what writes slices, and who does it for which codec."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from concealer.bitstream import Codec, NalUnit
from concealer.splice.open_unit import OpenUnit
from concealer.splice.unit import Written


class Carrier(Protocol):
    """Writes the runs of access units, all of which it must be given in decode order."""

    def begin(self, waited: float) -> None:
        """An access unit comes in that has waited for so many seconds."""

    def carry(self, unit: OpenUnit) -> list[Written]:
        """One unit for each run. Raises UnsupportedStandInError where the stream allows none."""

    def catch_up(self) -> None:
        """Do now what would else be done when the next run is to be written."""

    def close(self) -> None:
        """Free what it holds."""


def open_carrier(codec: Codec, parameter_sets: Sequence[NalUnit], seconds: float, quick: bool = False) -> Carrier:
    """The carrier of a codec; see `Splicer` for the rest."""
    # Imported where they are needed, which as a rule is in the child process only: the writers take a while to load.
    if codec == "h264":
        from concealer.splice.carriers.h264 import H264Carrier

        return H264Carrier(parameter_sets, seconds, quick)
    from concealer.splice.carriers.hevc import HevcCarrier

    return HevcCarrier(parameter_sets, quick)
