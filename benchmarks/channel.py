"""Streams sent through the lossy channel of `concealer.loss`, and the truth about what was lost."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, field

from benchmarks import transport
from benchmarks.metrics import Mask
from benchmarks.streams import Stream
from concealer.bitstream import AccessUnit, StreamParser
from concealer.damage import BLOCK
from concealer.loss import (
    BitFlips,
    ByteRemoval,
    Channel,
    DamageRecord,
    PictureLoss,
    RtpLoss,
    Sent,
    SliceLoss,
    TransportStreamLoss,
    slice_numbers,
    whole_loss,
)
from concealer.loss import transmit as send

SLICE = "slice"


@dataclass(frozen=True)
class Loss:
    """A loss model and its parameters."""

    model: str
    """"slice", "picture", "idr", "rtp", "ts", "bytes" or "flips"."""
    rate: float = 0.0
    """Share of slices, pictures or packets lost; for flips the probability of a bit to flip."""
    burst: float | None = None
    """Mean run of losses (Gilbert-Elliott); None: independent."""
    P: int = 2
    L: float = 0.5
    S: int = 256
    """Parameters of byte removal; see `ByteRemoval`."""
    gaps_known: bool = False
    """Whether the decoder is told where bytes are missing, as by RTP sequence numbers."""

    @property
    def detail(self) -> str:
        """What `model` and `rate` do not say."""
        parts = []
        if self.burst is not None:
            parts.append(f"bursts of {self.burst:g}")
        if self.model == "bytes":
            parts.append(f"P={self.P} L={self.L:g} S={self.S}")
        if self.model in ("bytes", "rtp", "ts"):
            parts.append("place known" if self.gaps_known else "place unknown")
        return ", ".join(parts)

    @property
    def title(self) -> str:
        """One line for people."""
        return ", ".join(
            filter(None, [f"{self.model} {100 * self.rate:g} %" if self.rate else self.model, self.detail])
        )

    def channel(self, seed: int) -> Channel:
        """A fresh channel; the first picture is always spared. Raises ValueError for an unknown model."""
        makers: dict[str, Callable[[], Channel]] = {
            "slice": lambda: SliceLoss(self.rate, seed=seed, burst=self.burst),
            "picture": lambda: PictureLoss(self.rate, seed=seed, burst=self.burst),
            "idr": lambda: LostIdr(),
            "rtp": lambda: RtpLoss(self.rate, seed=seed, burst=self.burst),
            "bytes": lambda: ByteRemoval(self.P, self.L, self.S, seed=seed),
            "flips": lambda: BitFlips(self.rate, seed=seed),
        }
        if self.model not in makers:
            raise ValueError(f"no such loss model: {self.model}; there are {', '.join(makers)}")
        return makers[self.model]()


GONE_BYTES = Loss("bytes", gaps_known=True)
FLIPS = Loss("flips", 1e-5)
MODELS = (
    Loss("slice", 0.03, burst=3),
    Loss("picture", 0.03),
    *(Loss("rtp", 0.03, burst=burst, gaps_known=True) for burst in (1, 3, 8)),
    Loss("ts", 0.005, gaps_known=True),
    Loss("ts", 0.005, burst=8, gaps_known=True),
    GONE_BYTES,
    Loss("bytes", P=4, S=4096, gaps_known=True),
    Loss("bytes"),
    FLIPS,
)
"""Loss models beside independent slice loss."""


@dataclass(frozen=True)
class Sample:
    """What arrives of one access unit."""

    payload: bytes
    """Annex B."""
    pts: int | None
    gaps: tuple[int, ...] = ()
    truncated: bool = False
    unit: int = -1
    """Index of its access unit in decoding order."""


@dataclass
class Damaged:
    """A stream behind the channel."""

    samples: list[Sample]
    """Access units of which something arrived, in decoding order."""
    record: DamageRecord
    framed: bool = True
    """False: samples need not be whole access units."""
    demuxed: list[tuple[bytes, int | None]] = field(default_factory=list)
    """What FFmpeg's own demuxer delivers, where that is something else than the samples."""

    @property
    def for_ffmpeg(self) -> list[tuple[bytes, int | None]]:
        """(payload, pts) as a player on FFmpeg gets them."""
        return self.demuxed or [(sample.payload, sample.pts) for sample in self.samples]

    def holes(self, stream: Stream) -> list[Mask | None]:
        """True holes in luma samples (height, width) by output position; None: arrived whole.

        Slices with wrong bytes count as a whole.
        """
        holes: list[Mask | None] = [None] * len(stream.units)
        for damage in self.record.damaged:
            truth = self.record.truth(damage.index)
            blocks = truth.lost | truth.broken
            if blocks.any():
                mask = blocks.repeat(BLOCK, axis=0)[: stream.height].repeat(BLOCK, axis=1)[:, : stream.width]
                holes[stream.units[damage.index].pts] = mask
        return holes


def parse(stream: Stream) -> list[AccessUnit]:
    """The stream's access units, in decoding order."""
    parser = StreamParser(stream.encoding.codec, None, container_framed=True)
    units = [unit for sent in stream.units for unit in parser.push(sent.payload, pts=sent.pts)]
    return units + parser.flush()


def transmit(stream: Stream, loss: Loss, seed: int) -> Damaged:
    """Send a stream through a fresh channel."""
    if loss.model == "ts":
        return _through_transport(stream, loss, seed)
    return through(stream, loss.channel(seed), loss.gaps_known)


def through(stream: Stream, channel: Channel, gaps_known: bool) -> Damaged:
    """Send a stream through `channel`."""
    received, record = send(parse(stream), channel)
    samples = []
    for part in received:
        if part.payload:
            gaps = tuple(part.gaps) if gaps_known else ()
            samples.append(Sample(part.payload, stream.units[part.index].pts, gaps, unit=part.index))
    return Damaged(samples, record)


def _through_transport(stream: Stream, loss: Loss, seed: int) -> Damaged:
    whole, arrived = transport.pack(stream), io.BytesIO()
    record = TransportStreamLoss(loss.rate, seed=seed, burst=loss.burst).send(io.BytesIO(whole), arrived)
    origin = transport.origin(whole, stream)
    samples = [
        Sample(pes.payload, position, pes.gaps, pes.truncated)
        for pes, position in transport.packets(arrived.getvalue(), origin)
    ]
    return Damaged(samples, record, False, transport.demux(arrived.getvalue(), origin))


MOST_KEPT = 200
"""Bytes that `MostOfSlice` leaves."""


class OneSlice(Channel):
    """Every `every`-th access unit from `first` on loses one slice, another one each time."""

    name = "one slice"

    def __init__(self, every: int, first: int) -> None:
        super().__init__({"every": every, "first": first}, spare_first=True)
        self._every, self._first, self._turn = every, first, 0

    def _damage(self, unit: AccessUnit, index: int) -> dict[int, Sent]:
        slices = slice_numbers(unit)
        if index < self._first or (index - self._first) % self._every or len(slices) < 2:
            return {}
        chosen = slices[self._turn % len(slices)]
        self._turn += 1
        return {chosen: Sent(b"", [(0, len(unit.nals[chosen].data))])}


class MostOfSlice(Channel):
    """Of every `every`-th access unit from `first` on the only slice arrives but for its first bytes."""

    name = "most of a slice"

    def __init__(self, every: int, first: int) -> None:
        super().__init__({"every": every, "first": first}, spare_first=True)
        self._every, self._first = every, first

    def _damage(self, unit: AccessUnit, index: int) -> dict[int, Sent]:
        slices = slice_numbers(unit)
        if index < self._first or (index - self._first) % self._every or len(slices) != 1:
            return {}
        data = unit.nals[slices[0]].data
        kept = min(MOST_KEPT, len(data) // 2)
        return {slices[0]: Sent(data[:kept], [(kept, len(data))])}


class LostIdr(Channel):
    """Every IDR (HEVC: IRAP) access unit but the first is lost as a whole."""

    name = "lost IDR"

    def __init__(self) -> None:
        super().__init__({}, spare_first=True)

    def _damage(self, unit: AccessUnit, index: int) -> dict[int, Sent]:
        if not unit.is_irap:
            return {}
        return {number: whole_loss(nal) for number, nal in enumerate(unit.nals)}


def drop_one_slice(stream: Stream, every: int, first: int) -> Damaged:
    """Send a stream through `OneSlice`."""
    return through(stream, OneSlice(every, first), gaps_known=False)
