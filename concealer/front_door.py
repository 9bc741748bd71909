"""The one place where the product's decoder is put together."""

from __future__ import annotations

from concealer.bitstream import Codec
from concealer.decoder import ConcealingDecoder, ObserveFn
from concealer.repair import MOTION_METHODS, Repairer, predicted_motion

LIVE_DEADLINE_MS = 28.0
"""From a live access unit's arrival to the end of its repair: less than a picture lasts at 30 a second."""


def open_decoder(
    codec: Codec,
    extradata: bytes | None = None,
    *,
    repairer: Repairer | None = None,
    lookahead: int = 0,
    live: bool = False,
    container_framed: bool = False,
    threads: int = 1,
    track_taint: bool = False,
    observe: ObserveFn | None = None,
    fill: int = 0,
) -> ConcealingDecoder:
    """A decoder as `conceal`, the GStreamer elements and the benchmarks use it.

    codec: "h264" or "hevc". extradata: the container's avcC/hvcC box or Annex B headers, if it has any.
    repairer: repairs what is damaged; None only analyses. lookahead: access units that wait so that repair sees what
    follows; 0 for methods that do not move anything. live: nothing is done that would delay a picture beyond its
    decoding and repair. container_framed, threads, track_taint: see `ConcealingDecoder`. observe: told of every
    repaired picture, for a splicer. fill: most lost pictures in a row that nobody refers to and that are made up.

    Raises ValueError for an impossible look-ahead.
    """
    moves = repairer is not None and repairer.method in MOTION_METHODS
    # What is spliced is written with the measured vectors, so that every decoder inherits them.
    measure = None if repairer is None else repairer.measure if observe is None else repairer.measure_anyway
    return ConcealingDecoder(
        codec,
        extradata,
        repair=repairer,
        motion=predicted_motion if moves and not live else None,
        measure=measure if moves or live else None,
        scout_repair=repairer.beside() if repairer is not None and moves and lookahead else None,
        scout_measure=repairer.measure_coarsely if repairer is not None and moves else None,
        container_framed=container_framed,
        threads=threads,
        track_taint=track_taint,
        probe_breaks=not live,  # a second decoder starts by decoding everything since the last IDR once more
        lookahead=lookahead if moves else 0,
        observe=observe,
        fill=fill,
    )
