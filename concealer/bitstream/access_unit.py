"""What the room hands out: access units, their slices, and what of them is missing."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Literal

import numpy as np
import numpy.typing as npt

from concealer.bitstream import h264, hevc
from concealer.bitstream.nal import Codec, NalUnit, base_layer

SliceHeader = h264.SliceHeader | hevc.SliceHeader
Interlaced = Literal["progressive", "field", "mbaff"]
Kind = Literal["I", "P", "B", "?"]
BlockMask = npt.NDArray[np.bool_]


@dataclass(slots=True)
class Slice:
    """A received slice (HEVC: slice segment)."""

    nal: NalUnit
    header: SliceHeader | None
    """None: the header did not parse, or contradicts the rest of its picture; the slice is broken."""
    first: int | None = None
    """Raster address, in the frame's units, of its first macroblock or CTB; None without header."""
    wrong_from: int | None = None
    """Place in coding order from which its units are decoded from wrong bytes, if that is known before decoding."""


@dataclass(slots=True, eq=False)
class MissingPicture:
    """A whole picture that was sent but never arrived, known from those that refer to it or count it.

    Where it belongs is guessed of H.264, and guessed better once more has arrived.
    """

    codec: Codec
    poc: int
    """PicOrderCnt; exact in HEVC, inferred from earlier pictures in H.264 with POC type 0 or 1."""
    order: int
    """Position in output order, on the scale of `AccessUnit.order`."""
    frame_num: int | None = None
    """H.264 only."""
    is_reference: bool = True
    is_idr: bool = False
    """H.264 only: frame_num and POC count from it."""
    shown: bool = True
    """False: there is no time for it among those that arrived. It only serves as a reference."""
    references: tuple[int, ...] = ()
    """HEVC only: POCs of the pictures that must stay in the decoded picture buffer over this one."""


@dataclass(frozen=True)
class Grid:
    """The units (macroblocks or CTBs) of a picture and the order its slices count them in."""

    rows: int
    cols: int
    interlaced: Interlaced = "progressive"
    tile_scan: tuple[int, ...] | None = None
    """Raster address of each CTB in coding order; None = raster scan."""

    @property
    def size(self) -> int:
        """Number of slice addresses; one stands for two units above each other in fields and MBAFF."""
        return self.rows * self.cols >> (self.interlaced != "progressive")

    @cached_property
    def _scan(self) -> npt.NDArray[np.intp] | None:
        return None if self.tile_scan is None else np.array(self.tile_scan, np.intp)

    @cached_property
    def _inverse_scan(self) -> dict[int, int] | None:
        return None if self.tile_scan is None else {rs: ts for ts, rs in enumerate(self.tile_scan)}

    def index(self, address: int) -> int:
        """Place in coding order of a slice address as coded (HEVC: raster; H.264: its own count)."""
        inverse = self._inverse_scan
        return address if inverse is None else inverse[address]

    def raster(self, index: int) -> int:
        """Raster address, in the frame, of the unit at a place in coding order."""
        if self.interlaced != "progressive":
            return index // self.cols * 2 * self.cols + index % self.cols
        return index if self.tile_scan is None else self.tile_scan[index]

    def mark(self, blocks: BlockMask, first: int, end: int) -> None:
        """Set in `blocks` (rows, cols) the units at places first..end-1 in coding order."""
        if self.interlaced != "progressive":
            places = np.arange(first, end)
            pairs = blocks.reshape(self.rows // 2, 2, self.cols)
            pairs[places // self.cols, :, places % self.cols] = True
        elif self._scan is not None:
            blocks.reshape(-1)[self._scan[first:end]] = True
        else:
            blocks.reshape(-1)[first:end] = True


@lru_cache(maxsize=64)
def no_blocks(rows: int, cols: int) -> BlockMask:
    """Shared read-only mask with nothing set: most pictures are whole, and should cost nothing."""
    blocks = np.zeros((rows, cols), np.bool_)
    blocks.flags.writeable = False
    return blocks


@dataclass(slots=True)
class Coverage:
    """Which units of a picture arrived. Masks are (rows, cols) bool and may be shared: do not write."""

    lost: BlockMask
    """Surely never arrived: before the first slice, between learnt slice starts, a whole lost field."""
    uncertain: BlockMask
    """May be lost: after a slice whose end is unknown, where the transport tells of missing bytes."""
    broken_blocks: BlockMask
    """Units of slices that arrived with an unreadable header or damaged bytes, to the slice's end."""
    broken: list[tuple[int, int]] = field(default_factory=list)
    """The same as [first, end) ranges in coding order (= raster order in progressive, untiled pictures)."""
    reliable: bool = True
    """False with slice groups or arbitrary slice order, where no claim is made."""

    @classmethod
    def intact(cls, rows: int, cols: int, reliable: bool = True) -> Coverage:
        nothing = no_blocks(rows, cols)
        return cls(nothing, nothing, nothing, [], reliable)

    @property
    def is_intact(self) -> bool:
        """True if nothing speaks of damage."""
        if self.lost is self.uncertain and self.lost is no_blocks(*self.lost.shape):  # of nearly all
            return not self.broken
        return not (self.broken or self.lost.any() or self.uncertain.any())


@dataclass
class AccessUnit:
    """All NAL units of one picture (both fields of a field pair), and what is known about it."""

    codec: Codec
    nals: list[NalUnit]
    slices: list[Slice]
    coverage: Coverage
    pts: int | None = None
    dts: int | None = None
    duration: int | None = None
    tag: int | None = None
    """What the payload it begins in was given as its tag; None for further access units of that payload."""
    sps: h264.Sps | hevc.Sps | None = None
    pps: h264.Pps | hevc.Pps | None = None
    width: int = 0
    """Coded luma width in samples, before cropping; 0 if no SPS is known."""
    height: int = 0
    unit: int = 16
    """Side of a macroblock (16) or CTB (16, 32, 64) in luma samples."""
    cols: int = 0
    rows: int = 0
    poc: int | None = None
    """PicOrderCnt with its most significant bits, the lesser of two fields; None if no header parsed."""
    frame_num: int | None = None
    """H.264 only."""
    is_idr: bool = False
    is_irap: bool = False
    """HEVC IRAP; H.264: IDR."""
    is_rasl: bool = False
    rasl_skipped: bool = False
    """RASL picture whose leading references lie before the start of the sequence: decoders drop it."""
    is_reference: bool = False
    temporal_id: int = 0
    kind: Kind = "?"
    interlaced: Interlaced = "progressive"
    order: int = 0
    """PicOrderCnt made continuous over IDRs: increases in output order over the whole stream."""
    missing_before: list[MissingPicture] = field(default_factory=list)
    """Reference pictures lost between the access unit before and this one."""
    gap_after: bool = False
    """Bytes are missing behind its last slice, or at the end of that."""
    room_before: int | None = None
    """Access units that its decode time leaves room for behind the one before; None where times do not tell."""
    altered: bool = False
    """Its NAL units are not what came: parameter sets were left out, or HEVC RASL pictures whose IRAP picture was lost
    were made trailing pictures, as decoders would take them for those of the IRAP picture before and drop them."""
    unreadable_sets: int = 0
    """Parameter sets that were left out, as they cannot be read where others of their type are known: repetitions that
    arrived damaged, for which decoders would forget those that hold on."""
    moved: bool = False
    """It came one place too early or too late, and was put where it belongs."""

    @property
    def base_nals(self) -> list[NalUnit]:
        """NAL units that decoders of the base layer need."""
        return base_layer(self.codec, self.nals)

    @property
    def is_disposable(self) -> bool:
        """No other picture is predicted from it: in HEVC `is_reference` says that only within a sub-layer."""
        return not self.is_reference and (self.codec == "h264" or getattr(self.sps, "max_sub_layers", 0) == 1)

    def __repr__(self) -> str:
        missing = f", missing_before={len(self.missing_before)}" if self.missing_before else ""
        state = "intact" if self.coverage.is_intact else "damaged"
        return (
            f"AccessUnit({self.codec} {self.width}x{self.height} {self.kind}, poc={self.poc}, "
            f"order={self.order}, pts={self.pts}, {len(self.slices)} slices, {state}{missing})"
        )
