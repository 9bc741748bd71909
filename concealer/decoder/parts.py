"""What of a damaged HEVC slice decodes by itself: tiles that arrived whole, and the damaged one up to its damage.

Nothing is predicted over the border of a tile, and contexts begin anew in it, so each can be handed to the decoder as a
slice of its own. Where one begins is said in the slice's header (entry points). Where bytes are missing, all that
follows lies nearer: by how much is tried, and proves itself by tiles that end exactly where their data end.
"""

from __future__ import annotations

import copy
import logging
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from concealer.bitstream import AccessUnit, BitstreamError, Coverage, NalUnit, Slice, escape, hevc, unescape
from concealer.decoder.extent import differing_blocks, from_blocks, in_order, in_raster, slice_range
from concealer.decoder.hook import HookUnavailableError, SubstreamProbe
from concealer.outcome import Blocks
from concealer.standins import OTHER_STOP_TAIL, STOP, STOP_TAIL
from concealer.standins.hevc import CodingOrder, coding_order, slice_header_rbsp

log = logging.getLogger(__name__)

_LEAST = 4
"""Bytes of a part below which nothing of it is decoded."""
_PROOF, _ALONE = 100, 1000
"""Bytes of a tile that seldom ends where its data end at a wrong place (14 of 3,409 do), and of one that never did."""
_MOST_TRIED = 1 << 19
"""Bytes read to find out how many are missing, where nothing fits."""
_TS_PACKET, _TS_COUNTER, _PCR = 184, 16, 8
"""Payload of a transport stream's packet, after how many its counter begins anew, and what a clock takes away."""
_LEAST_FRAGMENT, _MOST_FRAGMENT, _FRAGMENTS = 256, 1500, 4
"""Payload of RTP packets, and most of them lost in a row that are looked for."""
_NAL_HEADER = 2


@dataclass
class _Tile:
    """One tile of a slice, or all of a slice that is not cut any further."""

    first: int
    """Place of its first CTB."""
    end: int
    address: int
    data: bytes = b""
    """Empty: lost."""
    state: str = "lost"
    """"whole", "damaged" or "lost"."""
    wrong_from: int = 0
    """Places, if damaged: from where on it is decoded from wrong bytes, and from where on not at all."""
    undecoded_from: int = 0


@dataclass
class _Sent:
    """A damaged slice as it was sent."""

    slice_: Slice
    nal: NalUnit
    header: hevc.SliceHeader
    cut: int
    """Index in the unit's data from which bytes are missing or wrong."""
    tiles: list[_Tile] = field(default_factory=list)
    starts: Sequence[int] = ()
    """Where each tile's data were sent to begin."""
    guessed: bool = False
    """By its entry points, or a gap behind it, its end may be missing: it is if all tiles before that are whole, and
    the last one is not."""


class Parts:
    """Of the slices of one stream."""

    def __init__(self) -> None:
        self._probe: SubstreamProbe | None = None
        self._failed = False
        self._tried: deque[NalUnit] = deque(maxlen=64)

    def take_apart(self, au: AccessUnit) -> None:
        """Replace damaged slices of `au` by slices of what decodes by itself, where tiles or rows allow it."""
        if not au.coverage.reliable:
            return
        if _has_tiles(au):
            _mark_lost_tiles(au)
            self._free_dependent(au)
        sent = [one for one in (_sent(au, slice_) for slice_ in au.slices) if one is not None]
        sent = [one for one in sent if not any(nal is one.nal for nal in self._tried)]
        if not sent:
            return
        self._tried += [one.nal for one in sent]
        probe = self._opened()
        for one in sent if probe is not None else ():
            assert probe is not None
            try:
                self._take_apart(au, one, probe)
            except BitstreamError as error:
                log.debug("damaged slice stays as it is: %s", error)

    def close(self) -> None:
        """Free the decoder."""
        if self._probe is not None:
            self._probe.close()

    def _opened(self) -> SubstreamProbe | None:
        """None where the hook does not hold."""
        if self._probe is None and not self._failed:
            try:
                self._probe = SubstreamProbe()
            except HookUnavailableError as error:
                log.debug("damaged slices stay as they are: %s", error)
                self._failed = True
        return self._probe

    def _free_dependent(self, au: AccessUnit) -> None:
        """Make slices of their own of dependent segments that begin a tile behind damage: all that they take over is
        a header. It was read if the segment before arrived; else it is taken to be like the one read before, if the
        tile then ends where its data end: it would not with another QP or other tools."""
        end, ready = 0, False
        for index, slice_ in enumerate(au.slices):
            header = slice_.header
            if not isinstance(header, hevc.SliceHeader):
                ready = False
                continue
            order = coding_order(header.sps, header.pps)
            before, (first, last) = end, _most(header, order)
            damaged = slice_.nal.damaged_at is not None
            if header.dependent and order.starts_tile(first):
                known = ready and first == before
                if known or (first > before and not damaged and self._reads(au, slice_, _Tile(first, last, 0))):
                    _make_independent(au, index, header)
            ready = (ready and first == before) or damaged
            end = last

    def _reads(self, au: AccessUnit, slice_: Slice, tile: _Tile) -> bool:
        """Whether a segment of one tile is whole under the header that it was given."""
        header, probe = slice_.header, self._opened()
        assert isinstance(header, hevc.SliceHeader)
        tile.address, tile.data = header.address, slice_.nal.data[hevc.substream_starts(slice_.nal, header)[0] :]
        if probe is None or header.entry_points or header.weights is not None or len(tile.data) < _PROOF:
            return False
        try:
            return _fits(tile, au, header, probe, last=True)
        except BitstreamError as error:
            log.debug("dependent slice segment stays as it is: %s", error)
            return False

    def _take_apart(self, au: AccessUnit, sent: _Sent, probe: SubstreamProbe) -> None:
        hit = max(index for index, start in enumerate(sent.starts) if start <= sent.cut)
        for index, tile in enumerate(sent.tiles[:hit]):
            tile.data, tile.state = sent.nal.data[sent.starts[index] : sent.starts[index + 1]], "whole"
            if sent.guessed and not _fits(tile, au, sent.header, probe):
                return
        damaged = sent.tiles[hit]
        damaged.data = sent.nal.data[sent.starts[hit] : sent.cut]
        if sent.guessed and damaged is sent.tiles[-1] and _fits(damaged, au, sent.header, probe, last=True):
            return
        if len(damaged.data) >= _LEAST and _judge(damaged, au, sent.header, probe):
            damaged.state = "damaged"
        elif len(sent.tiles) == 1:
            return
        _Behind(au, sent, hit, probe).find()
        _put_in_place(au, sent)


def _has_tiles(au: AccessUnit) -> bool:
    return isinstance(au.pps, hevc.Pps) and au.pps.tiles and not au.pps.entropy_coding_sync


def _most(header: hevc.SliceHeader, order: CodingOrder) -> tuple[int, int]:
    """Place of a slice's first CTB, and the end of the last tile that it can hold, by its entry points."""
    first = int(order.places[header.address])
    tiles = [place for place in range(first + 1, order.size + 1) if order.starts_tile(place)]
    return first, tiles[min(len(header.entry_points), len(tiles) - 1)]


def _make_independent(au: AccessUnit, index: int, header: hevc.SliceHeader) -> None:
    """Write the header of a dependent slice segment whole."""
    nal = au.slices[index].nal
    data = nal.data[hevc.substream_starts(nal, header)[0] :]
    own = copy.copy(header)
    own.dependent = False
    head = escape(slice_header_rbsp(own, own.entry_points))
    own.data_byte = len(unescape(head))
    cut = None if nal.damaged_at is None else max(0, nal.damaged_at - len(nal.data) + len(data)) + len(head)
    made = Slice(NalUnit(head + data, nal.offset, cut), own, au.slices[index].first)
    au.slices[index] = made
    au.nals = [made.nal if one is nal else one for one in au.nals]


def _mark_lost_tiles(au: AccessUnit) -> None:
    """Set as lost the tiles between the last one that a slice can hold and the next slice."""
    headers = [one.header for one in au.slices if isinstance(one.header, hevc.SliceHeader)]
    if not headers:
        return
    order = coding_order(headers[0].sps, headers[0].pps)
    ranges = [_most(header, order) for header in headers]
    lost = None
    for (_, end), following in zip(ranges, [*(first for first, _ in ranges[1:]), order.size], strict=True):
        if end < following:
            lost = in_order(au.coverage.lost, au).copy() if lost is None else lost
            lost[end:following] = True
    if lost is not None:
        now = in_raster(lost, au)
        au.coverage = replace(au.coverage, lost=now, uncertain=au.coverage.uncertain & ~now)


def _sent(au: AccessUnit, slice_: Slice) -> _Sent | None:
    """None of a slice that is not damaged, or cannot be taken apart."""
    header, nal, cut = slice_.header, slice_.nal, slice_.nal.damaged_at
    if slice_.first is None or slice_.wrong_from is not None or not isinstance(header, hevc.SliceHeader):
        return None
    gap_after = au.gap_after and slice_ is au.slices[-1]
    if cut is None and not header.entry_points and not gap_after:
        return None
    starts = hevc.substream_starts(nal, header)
    guessed = cut is None
    if cut is None:
        if not gap_after and (starts[-1] < len(nal.data) or not header.pps.tiles):
            return None
        cut = len(nal.data)
    order = coding_order(header.sps, header.pps)
    first, end = slice_range(au, slice_.first)
    if cut <= starts[0] or (header.pps.tiles and header.pps.entropy_coding_sync):
        return None
    if header.pps.tiles:
        bounds = [first, *(place for place in range(first + 1, end) if order.starts_tile(place))]
        if len(bounds) < len(starts) or (header.dependent and not order.starts_tile(first)):
            return None
        bounds = [*bounds, end][: len(starts) + 1]
    elif header.dependent or (first == 0 and end == order.size):
        # With no other slice beside it nothing that arrived could be spoilt.
        return None
    else:
        bounds, starts = [first, end], starts[:1]
    tiles = [_Tile(a, b, order.scan[a]) for a, b in zip(bounds, bounds[1:], strict=False)]
    return _Sent(slice_, nal, header, cut, tiles, starts, guessed)


def _judge(tile: _Tile, au: AccessUnit, header: hevc.SliceHeader, probe: SubstreamProbe) -> bool:
    """Find out from where on a damaged tile is wrong, and from where on it would not be decoded."""
    one = probe.read(header, tile.address, tile.data, STOP_TAIL)
    other = probe.read(header, tile.address, tile.data, OTHER_STOP_TAIL)
    if one is None or other is None or one.luma.shape != other.luma.shape:
        return False
    undecoded = _first(one.undecoded, tile, au)
    if one.gave_up and undecoded > tile.first and _is_untouched(one.undecoded, undecoded, au):
        # It gave up in the one before, though all its blocks were begun: filters did not run behind that.
        undecoded -= 1
    differing = differing_blocks(one.luma, other.luma)
    tile.undecoded_from, tile.wrong_from = undecoded, min(_first(differing, tile, au), undecoded)
    return undecoded > tile.first


def _is_untouched(undecoded: Blocks | None, place: int, au: AccessUnit) -> bool:
    """Whether the unit at a place, or there is none, was not decoded at all."""
    return undecoded is None or place >= au.rows * au.cols or not bool(from_blocks(~undecoded, au)[place])


def _fits(tile: _Tile, au: AccessUnit, header: hevc.SliceHeader, probe: SubstreamProbe, *, last: bool = False) -> bool:
    """Whether a tile, the last one of its slice or not, is decoded to its end exactly where its data end."""
    reading = probe.read(header, tile.address, tile.data)
    if reading is None or not (reading.ends if last else reading.goes_on):
        return False
    return _first(reading.undecoded, tile, au) == tile.end


def _first(blocks: Blocks | None, tile: _Tile, au: AccessUnit) -> int:
    """Place of the first unit of a tile that holds any of `blocks`, its end if none does."""
    if blocks is None:
        return tile.end
    inside = from_blocks(blocks, au)[tile.first : tile.end]
    return tile.first + int(np.argmax(inside)) if inside.any() else tile.end


class _Behind:
    """Finds the tiles behind the damage of a slice."""

    def __init__(self, au: AccessUnit, sent: _Sent, hit: int, probe: SubstreamProbe) -> None:
        self._au, self._sent, self._probe = au, sent, probe
        self._later = range(hit + 1, len(sent.tiles))
        self._tried = 0

    def find(self) -> None:
        """Give those that are found their data."""
        missing = self._missing()
        for index in self._later if missing is not None else ():
            if self._fits(index, missing or 0):
                self._sent.tiles[index].data = self._data(index, missing or 0)
                self._sent.tiles[index].state = "whole"

    def _missing(self) -> int | None:
        """How many bytes are missing; None if that cannot be told."""
        if any(len(self._data(index, 0)) >= _PROOF and self._fits(index, 0) for index in self._later):
            return 0
        for counts in _likely(self._sent.cut):
            found = [count for count in counts if self._proves(count)]
            if len(found) == 1:
                return found[0]
        return None

    def _proves(self, missing: int) -> bool:
        """Whether that is shown by two tiles, or by a large one where only one would lie behind the damage then."""
        sizes = {index: len(self._data(index, missing)) for index in self._later}
        told = sorted((index for index, size in sizes.items() if size >= _PROOF), key=sizes.__getitem__)
        if not told or (len(told) == 1 and sizes[told[0]] < _ALONE):
            return False
        # The least costs least to try; if it does not fit, that many are not missing.
        return self._fits(told[0], missing) and (
            len(told) == 1 or any(self._fits(index, missing) for index in told[1:])
        )

    def _data(self, index: int, missing: int) -> bytes:
        """The bytes of a tile if so many are missing before it; none if it would not lie behind the damage."""
        starts, data = self._sent.starts, self._sent.nal.data
        first = starts[index] - missing
        end = starts[index + 1] - missing if index + 1 < len(starts) else len(data)
        return data[first:end] if self._sent.cut <= first < end <= len(data) else b""

    def _fits(self, index: int, missing: int) -> bool:
        """Whether the tile ends where its data end then."""
        data = self._data(index, missing)
        self._tried += len(data)
        if not data or self._tried > _MOST_TRIED:
            return False
        tile = replace(self._sent.tiles[index], data=data)
        return _fits(tile, self._au, self._sent.header, self._probe, last=index + 1 == len(self._sent.starts))


def _likely(cut: int) -> Iterator[Sequence[int]]:
    """Numbers of bytes that may be missing: of RTP fragments of one size, of packets of a transport stream, and of
    those with a clock in one of them."""
    body = cut - _NAL_HEADER
    for fragments in range(1, body // _LEAST_FRAGMENT + 1):
        size, rest = divmod(body, fragments)
        if not rest and size <= _MOST_FRAGMENT:
            yield [size * count for count in range(1, _FRAGMENTS + 1)]
    packets = [_TS_PACKET * count for count in range(1, _TS_COUNTER)]
    yield packets
    yield [count - _PCR for count in packets]


def _put_in_place(au: AccessUnit, sent: _Sent) -> None:
    """Let `au` hold what was found instead of the slice."""
    order = coding_order(sent.header.sps, sent.header.pps)
    lost, broken = in_order(au.coverage.lost, au).copy(), in_order(au.coverage.broken_blocks, au).copy()
    uncertain = in_order(au.coverage.uncertain, au).copy()
    whole_picture = len(au.slices) == 1
    first, end = sent.tiles[0].first, sent.tiles[-1].end
    broken[first:end] = uncertain[first:end] = False
    ranges = [(begin, stop) for begin, stop in au.coverage.broken if begin != first]
    made = []
    for tile in sent.tiles:
        if tile.state == "lost":
            lost[tile.first : tile.end] = True
            continue
        if tile.state == "damaged":
            lost[tile.undecoded_from : tile.end] = True
            broken[tile.first : tile.end] = True
            ranges.append((tile.first, tile.end))
        made.append(_slice(sent, tile, whole_picture, order))
    au.coverage = Coverage(
        in_raster(lost, au), in_raster(uncertain, au), in_raster(broken, au), sorted(ranges), au.coverage.reliable
    )
    place = next(index for index, one in enumerate(au.slices) if one is sent.slice_)
    au.slices[place : place + 1] = made
    place = next(index for index, nal in enumerate(au.nals) if nal is sent.nal)
    au.nals = [*au.nals[:place], *(one.nal for one in made), *au.nals[place + 1 :]]


def _slice(sent: _Sent, tile: _Tile, whole_picture: bool, order: CodingOrder) -> Slice:
    """A slice of one tile."""
    damaged = tile.state == "damaged"
    wrong_from = tile.wrong_from if damaged else None
    if len(sent.tiles) == 1:
        return Slice(replace(sent.nal, damaged_at=sent.cut), sent.header, tile.address, wrong_from)
    header = copy.copy(sent.header)
    header.dependent, header.entry_points = False, ()
    header.first_slice_segment, header.address = tile.address == 0, tile.address
    # What was a border of tiles within a slice is one of slices now, over which filters may be forbidden.
    header.loop_filter_across_slices |= whole_picture and header.pps.loop_filter_across_slices
    head = escape(slice_header_rbsp(header))
    last = tile is sent.tiles[-1]
    data = head + tile.data + (b"" if last or damaged else STOP)
    nal = NalUnit(data, sent.nal.offset, len(data) if damaged else None)
    return Slice(nal, header, order.scan[tile.first], wrong_from)
