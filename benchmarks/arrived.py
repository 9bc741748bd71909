"""Which blocks of a picture arrived whole though bytes of it are missing, and what became of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from benchmarks.streams import Stream, plain_decode
from concealer.bitstream import AccessUnit, NalUnit, Slice, StreamParser, hevc
from concealer.damage import BLOCK
from concealer.front_door import open_decoder
from concealer.repair import Repairer
from concealer.standins.hevc import coding_order

Blocks = npt.NDArray[np.bool_]
Way = Literal["zeros", "ts", "rtp", "cut"]
WAYS: tuple[Way, ...] = ("zeros", "ts", "rtp", "cut")
_START_CODE = 4


@dataclass(frozen=True)
class Piece:
    """What decodes by itself: a slice, or a tile of one."""

    units: tuple[int, ...]
    """Raster addresses of its macroblocks or CTBs."""
    first: int
    end: int
    """Its bytes in the payload."""


@dataclass(frozen=True)
class Hit:
    """Damage of one picture."""

    way: Way
    """"zeros": bytes are 0 where they were; "ts", "rtp": bytes are missing, as with lost packets, and it is known
    where; "cut": all that follows in the payload is missing."""
    at: int
    """Offset in the payload."""
    length: int

    def payload(self, payload: bytes) -> tuple[bytes, list[int], bool]:
        """What arrives of `payload`, the places of gaps in that, and whether its end is missing."""
        if self.way == "zeros":
            return payload[: self.at] + bytes(self.length) + payload[self.at + self.length :], [], False
        if self.way in ("ts", "rtp"):
            return payload[: self.at] + payload[self.at + self.length :], [self.at], False
        return payload[: self.at], [], True


@dataclass(frozen=True)
class Arrived:
    """Blocks of one damaged picture that arrived whole."""

    whole: int
    repainted: int
    """Of those: named lost or broken, and painted over."""
    wrong: int
    """Of those: other samples than without damage, farther than a block from what is missing."""
    wrong_in_stock: int
    """The same of FFmpeg's decoder with output_corrupt."""
    psnr: float
    psnr_stock: float
    """dB of luma against the undamaged decode, at most 60."""


def pieces_of(au: AccessUnit) -> list[Piece]:
    """Those of an undamaged access unit whose NAL units have offsets in its payload."""
    pieces = []
    scan: Sequence[int] = range(au.rows * au.cols)
    if isinstance(au.pps, hevc.Pps) and isinstance(au.sps, hevc.Sps):
        scan = au.pps.tile_scan(au.sps) or scan
    place = {address: index for index, address in enumerate(scan)}
    starts = [place[one.first or 0] for one in au.slices]
    for one, begin, end in zip(au.slices, starts, [*starts[1:], len(scan)], strict=True):
        bounds, bytes_at = _cuts(one, begin, end, au)
        for number, (first, last) in enumerate(zip(bounds, bounds[1:], strict=False)):
            start, stop = bytes_at[number] - (0 if number else _START_CODE), bytes_at[number + 1]
            pieces.append(Piece(tuple(scan[first:last]), one.nal.offset + start, one.nal.offset + stop))
    return pieces


def _cuts(one: Slice, begin: int, end: int, au: AccessUnit) -> tuple[list[int], list[int]]:
    """Places in coding order at which tiles of a slice begin, and where in its data; both with the slice's end."""
    header, nal = one.header, one.nal
    if not isinstance(header, hevc.SliceHeader) or not header.pps.tiles or not header.entry_points:
        return [begin, end], [0, len(nal.data)]
    order = coding_order(header.sps, header.pps)
    bounds = [place for place in range(begin, end) if order.starts_tile(place)]
    starts = hevc.substream_starts(nal, header)
    return [*bounds, end], [0, *starts[1:], len(nal.data)]


def hit_of(way: Way, au: AccessUnit, payload: bytes, rng: np.random.Generator) -> Hit:
    """Damage somewhere in the slices of an undamaged access unit whose NAL units have offsets in its payload.

    One to three packets: of 184 bytes at any place, or of 1000 from a unit's begin on (RTP); 40 to 400 zeros.
    """
    count = int(rng.integers(1, 4))
    first = au.slices[0].nal.offset
    if way == "rtp":
        size = min(1000, len(payload) // 4)
        places = [one.nal.offset + 2 + start for one in au.slices for start in range(size, len(one.nal.data) - 2, size)]
        return Hit(way, int(rng.choice(places or [first + size])), size * count)
    at = int(rng.integers(first + 40, max(first + 41, len(payload) - 20)))
    return Hit(way, at, int(rng.integers(40, 400)) if way == "zeros" else 184 * count)


def whole_blocks(pieces: Sequence[Piece], hit: Hit, au: AccessUnit) -> Blocks:
    """16x16 grid of the blocks in pieces that a hit left alone."""
    stop = hit.at + hit.length if hit.way != "cut" else 1 << 62
    units = np.zeros(au.rows * au.cols, bool)
    for piece in pieces:
        if piece.end <= hit.at or piece.first >= stop:
            units[list(piece.units)] = True
    side = au.unit // BLOCK
    blocks = units.reshape(au.rows, au.cols).repeat(side, 0).repeat(side, 1)
    return blocks[: -(-au.height // BLOCK), : -(-au.width // BLOCK)]


def arrived(stream: Stream, index: int, way: Way, rng: np.random.Generator, *, live: bool = False) -> Arrived:
    """What becomes of the access unit at `index` in decoding order, hit once, with everything before it undamaged."""
    codec = stream.encoding.codec
    parser = StreamParser(codec)
    units = [au for unit in stream.units[: index + 1] for au in parser.push(unit.payload, complete=True)]
    au, payload, pts = units[index], stream.units[index].payload, stream.units[index].pts
    offset = min(nal.offset for nal in au.nals) - _START_CODE
    au.slices = [Slice(NalUnit(one.nal.data, one.nal.offset - offset), one.header, one.first) for one in au.slices]
    hit = hit_of(way, au, payload, rng)
    whole = whole_blocks(pieces_of(au), hit, au)
    sent, gaps, truncated = hit.payload(payload)
    repairer = Repairer()
    decoder = open_decoder(codec, repairer=repairer, live=live)
    shown = []
    for place, unit in enumerate(stream.units[: index + 1]):
        last = place == index
        shown += decoder.decode(
            sent if last else unit.payload,
            pts=unit.pts,
            gaps=gaps if last else (),
            truncated=last and truncated,
            complete=True,
        )
    shown += decoder.flush()
    decoder.close()
    ours = next(one for one in shown if one.pts == pts)
    before = [(unit.payload, unit.pts) for unit in stream.units[:index]]
    stock = plain_decode(codec, [*before, (sent, pts)], {"flags": "+output_corrupt"}).get(pts)
    true = stream.clean[pts][0]
    mine = np.asarray(ours.frame.to_ndarray(), np.uint8)[: true.shape[0], : true.shape[1]]
    theirs = np.zeros_like(true) if stock is None else stock[0]
    inside = cv2.dilate((~whole).astype(np.uint8), np.ones((3, 3), np.uint8)) == 0
    return Arrived(
        int(whole.sum()),
        int((whole & ours.damage.hole).sum()),
        int((inside & _differing(mine, true)).sum()),
        int((inside & _differing(theirs, true)).sum()),
        _psnr(mine, true),
        _psnr(theirs, true),
    )


def _differing(a: npt.NDArray[np.uint8], b: npt.NDArray[np.uint8]) -> Blocks:
    differ = np.pad(a != b, ((0, -a.shape[0] % BLOCK), (0, -a.shape[1] % BLOCK)))
    rows, cols = differ.shape[0] // BLOCK, differ.shape[1] // BLOCK
    return np.asarray(differ.reshape(rows, BLOCK, cols, BLOCK).any((1, 3)))


def _psnr(a: npt.NDArray[np.uint8], b: npt.NDArray[np.uint8]) -> float:
    error = float(np.mean((a.astype(np.float32) - b) ** 2))
    return min(60.0, 10 * float(np.log10(255 * 255 / max(error, 1e-9))))
