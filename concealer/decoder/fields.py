"""Access units of interlaced H.264 taken apart: which NAL units are of which field, which macroblocks failed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from concealer.bitstream import AccessUnit, NalUnit, Slice, h264
from concealer.damage import Damage, DamageMap
from concealer.decoder.hook import Coding, Errors
from concealer.outcome import Blocks

_MIN_SLICE_BYTES = 12
"""A slice cut shorter holds no decodable macroblock."""
_READ_ON = 3
"""Bytes behind the end of a slice that libav reads before it takes that for an error."""
_LAG = 42
"""Macroblocks, in the median, from the first wrong one to where the decoder notices (CABAC)."""
_LEAST = 0.05
"""Belief below which a block counts as received."""

Units = npt.NDArray[np.bool_]
"""By slice address: macroblocks of a field or frame, pairs of an MBAFF frame."""


@dataclass
class Part:
    """One field, or a frame: what arrived of it."""

    coding: Coding
    header: h264.SliceHeader
    """Of its first readable slice."""
    nals: list[NalUnit] = field(default_factory=list)
    """For the decoder: unusable slices left out, damaged ones cut."""
    slices: list[Slice] = field(default_factory=list)
    """Those among them."""


def parts_of(au: AccessUnit) -> list[Part]:
    """The fields of `au` in the order they came in, those without a usable slice left out; or its frame."""
    parts: list[Part] = []
    waiting: list[NalUnit] = []
    by_nal = {id(slice_.nal): slice_ for slice_ in au.slices}
    for nal in au.base_nals:
        slice_ = by_nal.get(id(nal))
        if slice_ is None:
            waiting.append(nal)
            continue
        header, cut = slice_.header, nal.damaged_at
        if not isinstance(header, h264.SliceHeader) or (cut is not None and cut < _MIN_SLICE_BYTES):
            continue
        if not parts or (header.field_pic and header.bottom_field != parts[-1].header.bottom_field):
            parity, second = int(header.field_pic and header.bottom_field), bool(parts)
            parts.append(Part(Coding(au.interlaced, parity, second), header))
        part = parts[-1]
        part.nals += [*waiting, nal if cut is None else replace(nal, data=nal.data[:cut])]
        part.slices.append(slice_)
        waiting = []
    if parts:
        parts[-1].nals += waiting
    return parts


def is_interlaced(au: AccessUnit) -> bool:
    """Whether the stream of `au` may hold fields and MBAFF frames."""
    return isinstance(au.sps, h264.Sps) and not au.sps.frame_mbs_only


def field_orders(au: AccessUnit) -> tuple[int, int]:
    """Positions of the top and of the bottom field of `au` in output order, in half steps of `AccessUnit.order`. Where
    the stream tells no difference, or of a field without the other one, the top field is half a step before."""
    headers = [slice_.header for slice_ in au.slices if isinstance(slice_.header, h264.SliceHeader)]
    later = 0
    """How much later the bottom field is."""
    if headers and not headers[0].field_pic:
        later = headers[0].delta_poc_bottom or headers[0].delta_poc[1]
    elif headers and headers[0].sps.poc_type == 0:
        turn = 1 << headers[0].sps.log2_max_poc_lsb
        places = {header.bottom_field: header.poc_lsb for header in headers}
        if len(places) == 2:
            later = (places[True] - places[False] + turn // 2) % turn - turn // 2
    later = 2 * later or 1
    return 2 * au.order + max(0, -later), 2 * au.order + max(0, later)


def bottom_first(au: AccessUnit) -> bool | None:
    """Whether the bottom field of `au` is shown first; None if its stream has no fields."""
    if not is_interlaced(au):
        return None
    top, bottom = field_orders(au)
    return bottom < top


def mark_part(damage: DamageMap, part: Part, errors: Errors | None, starts: tuple[int, ...]) -> None:
    """Mark on the map of a field or frame what the decoder failed in.

    starts: where slices began in the last whole picture of its kind; behind one that did not come, nothing is wrong
    with the slice before.
    """
    if errors is None:
        return
    undecoded = errors.missing | errors.broken
    if undecoded.shape != damage.state.shape:
        damage.mark(damage.state >= 0, Damage.BROKEN, "picture size not decoded yet")
        return
    pairs = part.coding.interlaced == "mbaff"
    units = _units(undecoded, pairs)
    slices = sorted(part.slices, key=_address)
    ends = [*(_address(slice_) for slice_ in slices[1:]), units.size]
    lost = units.copy()
    for slice_, end in zip(slices, ends, strict=True):
        first, cut = _address(slice_), slice_.nal.damaged_at
        wrong = units[first:end]
        if not wrong.any():
            continue
        decoded = int(np.argmax(wrong))
        if cut is None and first + decoded in starts:
            continue
        lost[first:end] = False
        damage.mark(
            _blocks(wrong, first, damage, pairs), Damage.BROKEN, "decode error" if cut is None else "bytes lost"
        )
        if not decoded:
            continue
        if cut is None:
            _doubt_before(damage, first, decoded, pairs)
            continue
        behind = min(decoded, -(-_READ_ON * decoded // cut))
        damage.mark(
            _blocks(np.ones(behind, bool), first + decoded - behind, damage, pairs), Damage.BROKEN, "bytes lost"
        )
    damage.mark(_blocks(lost, 0, damage, pairs), Damage.LOST, "slice lost")


def _doubt_before(damage: DamageMap, first: int, decoded: int, pairs: bool) -> None:
    """Doubt the macroblocks of a slice before the one where its decoding failed, the less the further away."""
    away = np.arange(decoded, 0, -1, dtype=np.float32)
    belief = np.exp2(-away * (2 if pairs else 1) / np.float32(_LAG))
    doubtful = belief > _LEAST
    start = first + int(np.argmax(doubtful))
    blocks = _blocks(np.ones(np.count_nonzero(doubtful), bool), start, damage, pairs) & ~damage.hole
    damage.doubt(blocks, _spread(belief[doubtful], start, damage, pairs))
    damage.mark(blocks, Damage.BROKEN, "decode error")


def _address(slice_: Slice) -> int:
    assert isinstance(slice_.header, h264.SliceHeader)
    return slice_.header.first_mb


def _units(blocks: Blocks, pairs: bool) -> Units:
    return (blocks[::2] | blocks[1::2]).ravel() if pairs else blocks.ravel()


def _blocks(units: Units, first: int, damage: DamageMap, pairs: bool) -> Blocks:
    """Blocks of those units, the first of which has that address."""
    return _spread(units.astype(np.float32), first, damage, pairs) > 0


def _spread(values: npt.NDArray[np.float32], first: int, damage: DamageMap, pairs: bool) -> npt.NDArray[np.float32]:
    rows, cols = damage.state.shape
    whole = np.zeros(rows * cols >> pairs, np.float32)
    whole[first : first + values.size] = values
    return whole.reshape(-1, cols).repeat(1 + pairs, axis=0)
