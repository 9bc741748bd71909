"""More parameter sets in the header of a container."""

from __future__ import annotations

from collections.abc import Sequence

from concealer.bitstream import NalUnit, h264, join_annexb, nal_type

_FIXED = 5
"""Bytes of avcC before the number of SPSs (ISO/IEC 14496-15 5.3.3.1)."""


def with_more_sets(header: bytes, sets: Sequence[NalUnit], length_size: int) -> bytes | None:
    """H.264: `header`, avcC or with start codes, and these sets in it as well; None if there is no room for them."""
    if not length_size:
        return header + join_annexb(sets)
    place = _FIXED + 1
    try:
        counts = []
        for position, mask in ((_FIXED, 31), (None, 255)):
            at = position if position is not None else place
            counts.append((at, header[at] & mask))
            place = at + 1
            for _ in range(counts[-1][1]):
                place += 2 + int.from_bytes(header[place : place + 2], "big")
    except IndexError:
        return None
    (sps_at, sps_count), (pps_at, pps_count) = counts
    more = {kind: [nal.data for nal in sets if nal_type("h264", nal) == kind] for kind in (h264.NAL_SPS, h264.NAL_PPS)}
    if place > len(header) or sps_count + len(more[h264.NAL_SPS]) > 31 or pps_count + len(more[h264.NAL_PPS]) > 255:
        return None
    made = bytearray(header[:sps_at])
    made.append(0xE0 | sps_count + len(more[h264.NAL_SPS]))
    made += header[sps_at + 1 : pps_at] + _units(more[h264.NAL_SPS])
    made.append(pps_count + len(more[h264.NAL_PPS]))
    made += header[pps_at + 1 : place] + _units(more[h264.NAL_PPS]) + header[place:]
    return bytes(made)


def _units(nals: Sequence[bytes]) -> bytes:
    return b"".join(len(nal).to_bytes(2, "big") + nal for nal in nals)
