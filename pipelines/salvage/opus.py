"""Opus without framing: packets begin with a byte that says how long they last, and a stream's packets are alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

RATE = 48000
"""Samples a second that its times are counted in."""
PRE_SKIP = 312
"""Samples that libopus puts before the sound."""
_FRAMES = (*(480, 960, 1920, 2880) * 3, *(480, 960) * 2, *(120, 240, 480, 960) * 4)
"""Samples of a frame by configuration number (RFC 6716 table 2)."""
_LONGEST = 5760
"""Samples of a packet (RFC 6716 3.2.5)."""
_MOST_BYTES = 1275 * 3
"""Of a packet that is looked for: three frames of the longest."""
_MEANS = (30, 60, 120, 240, 480, 960)
"""Bytes of a packet that the search begins with; it spreads by half of them."""
_SPREAD, _WIDE = 0.5, 1.0
"""Of the logarithm of sizes: at first, and of the share that no packet seen so far speaks for."""
_SELDOM = 0.02
_FIRST_ROUNDS, _ROUNDS = 3, 8
"""Of fitting: from each of these sizes on, and more from the best."""
_SETTLED = 0.01
_JUNK = 12.0
"""Speaks against bytes between packets that belong to none."""
_UNSEEN_FIRST, _UNSEEN_SECOND = 0.05, 8.0
"""Packets that each first byte, and all second bytes together, are taken to have begun before any was seen."""
_SIMILAR = np.array([0.25, 0.5, 1.0, 0.5, 0.25]) / 2.5
"""Second bytes are the start of a range coder's number: those next to frequent ones are frequent."""
_LEAST_EACH, _LEAST = 0.7, 60.0
"""What must speak for packets, each and together: the logarithm of how much likelier they make the bytes."""

Floats = npt.NDArray[np.float64]


def packet_samples(first: int, second: int) -> int:
    """How long a packet with these bytes in front lasts, in samples of 48 kHz; 0: there is none (RFC 6716 3.1)."""
    count = {0: 1, 3: second & 63}.get(first & 3, 2)
    samples = _FRAMES[first >> 3] * count
    return samples if samples <= _LONGEST else 0


_SAMPLES = np.array([[packet_samples(first, second) for second in range(256)] for first in range(256)])


@dataclass
class Piece:
    """Bytes in which packets lie one behind the other."""

    data: npt.NDArray[np.int64]
    """With one more behind, for the second byte of a packet of one."""
    places: npt.NDArray[np.int64]
    """Where packets can begin, rising, from 0 on."""

    @property
    def size(self) -> int:
        """In bytes."""
        return len(self.data) - 1


@dataclass
class OpusFramer:
    """What a stream's packets are like: by their first two bytes, and their sizes."""

    samples: int
    """Of each packet, of 48 kHz."""
    first: Floats = field(default_factory=lambda: np.zeros(256))
    """How much likelier a byte is as the first of a packet than anywhere, as a logarithm."""
    second: dict[int, Floats] = field(default_factory=dict)
    """The same of the next byte, by the first."""
    sizes: Floats = field(default_factory=lambda: np.zeros(_MOST_BYTES))
    """Logarithm of the share of packets of each size."""
    score: float = 0.0
    """What speaks for the packets it was fitted to, all together."""
    count: int = 0
    """Of these packets."""
    channels: int = 2

    @property
    def sure(self) -> bool:
        """No chance makes bytes fit so well."""
        return self.score >= max(_LEAST, _LEAST_EACH * self.count)

    def piece(self, data: bytes) -> Piece:
        """Bytes made ready."""
        values = np.frombuffer(data + b"\x00", np.uint8).astype(np.int64)
        fits = _SAMPLES[values[:-1], values[1:]] == self.samples
        fits[:1] = True
        return Piece(values, np.flatnonzero(fits))

    def heads(self, piece: Piece) -> Floats:
        """What speaks for a packet at each place where one can begin."""
        first, second = piece.data[piece.places], piece.data[piece.places + 1]
        unseen = np.zeros(256)
        more = [self.second.get(one, unseen)[two] for one, two in zip(first.tolist(), second.tolist(), strict=True)]
        fitting: Floats = self.first[first] + np.array(more)
        # The first place of a piece may be no packet's.
        return np.where(_SAMPLES[first, second] == self.samples, fitting, -_JUNK)

    def packets(self, piece: Piece) -> tuple[float, list[tuple[int, int]]]:
        """What speaks for the likeliest packets, and from where to where each is."""
        heads, count = self.heads(piece), len(piece.places)
        ends = np.append(piece.places, piece.size)
        best, before = np.zeros(count + 1), np.zeros(count + 1, int)
        junk = np.zeros(count + 1, bool)
        leap, leapt = 0.0, 0
        """The most that is had anywhere before, and where."""
        for number in range(1, count + 1):
            if best[number - 1] > leap:
                leap, leapt = float(best[number - 1]), number - 1
            low = int(np.searchsorted(ends, ends[number] - _MOST_BYTES, "right"))
            values = best[low:number] + heads[low:number] + self.sizes[ends[number] - ends[low:number]]
            at = int(values.argmax()) if len(values) else 0
            if len(values) and values[at] >= leap - _JUNK:
                best[number], before[number] = values[at], low + at
            else:
                best[number], before[number], junk[number] = leap - _JUNK, leapt, True
        found, number = [], count
        while number > 0:
            if not junk[number]:
                found.append((int(ends[before[number]]), int(ends[number])))
            number = int(before[number])
        return float(best[count]), found[::-1]

    def learn(self, pieces: Sequence[Piece], found: Sequence[Sequence[tuple[int, int]]]) -> None:
        """Take these packets for what the stream's are like."""
        heads: Counter[tuple[int, int]] = Counter()
        for piece, packets in zip(pieces, found, strict=True):
            heads.update((int(piece.data[start]), int(piece.data[start + 1])) for start, _ in packets)
        counts = np.full(256, _UNSEEN_FIRST)
        table: dict[int, Floats] = {}
        for (one, two), many in heads.items():
            counts[one] += many
            table.setdefault(one, np.zeros(256))[two] += many
        self.first = np.log(counts / counts.sum() * 256)
        for row in table.values():
            row[:] = np.convolve(row, _SIMILAR, "same") + _UNSEEN_SECOND / 256
            row[:] = np.log(row / row.sum() * 256)
        self.second = table
        sizes = np.array([end - start for packets in found for start, end in packets])
        if len(sizes):
            self.sizes = _smooth(sizes)
        self.count = len(sizes)


def _around(mean: float, spread: float) -> Floats:
    """Shares of sizes that lie around a mean by their logarithm."""
    sizes = np.arange(_MOST_BYTES) + 0.5
    shares: Floats = np.exp(-0.5 * (np.log(sizes / mean) / spread) ** 2) / sizes
    return shares / shares.sum()


def _smooth(sizes: npt.NDArray[np.int64]) -> Floats:
    """Logarithm of the shares of sizes of which these are some, by a kernel as wide as Silverman's rule has it."""
    width = max(1.0, 1.06 * float(sizes.std()) * len(sizes) ** -0.2)
    reach = int(4 * width) + 1
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / width) ** 2)
    seen = np.bincount(sizes, minlength=_MOST_BYTES) / len(sizes)
    near = np.convolve(seen, kernel / kernel.sum())[reach : reach + _MOST_BYTES]
    shares: Floats = (1 - _SELDOM) * near + _SELDOM * _around(float(np.median(sizes)), _WIDE)
    return np.log(shares + 1e-300)


def opus_framer(pieces: Sequence[bytes]) -> OpusFramer | None:
    """What packets in these pieces are like, of which most begin with one; None if they hold no Opus.

    Sizes and first bytes are fitted to the likeliest packets, and these found anew, until nothing changes; from several
    sizes on, of which the best end counts.
    """
    lasting = Counter(int(_SAMPLES[one[0], one[1]]) for one in pieces if len(one) > 1)
    samples = max(lasting, key=lambda one: lasting[one], default=0)
    if not samples:
        return None
    framers = [OpusFramer(samples) for _ in _MEANS]
    ready = [framers[0].piece(one) for one in pieces if one]
    for framer, mean in zip(framers, _MEANS, strict=True):
        framer.learn(ready, [[(0, min(one.size, _MOST_BYTES - 1))] for one in ready])
        framer.sizes = np.log(_around(mean, _SPREAD) + 1e-300)
        _fit(framer, ready, _FIRST_ROUNDS)
    best = max(framers, key=lambda one: one.score)
    _fit(best, ready, _ROUNDS)
    stereo = np.array([one[0] & 4 for one in pieces if one])
    best.channels = 2 if (stereo > 0).mean() > 0.5 else 1
    return best if best.sure else None


def _fit(framer: OpusFramer, pieces: Sequence[Piece], rounds: int) -> None:
    for _ in range(rounds):
        rows = [framer.packets(one) for one in pieces]
        last, framer.score = framer.score, sum(value for value, _ in rows)
        framer.learn(pieces, [packets for _, packets in rows])
        if abs(framer.score - last) < _SETTLED:
            return
