"""Where Opus packets end, where their statistics leave a choice: decoded rightly, sound goes on as it was."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import accumulate
from statistics import median

import av
import numpy as np
import numpy.typing as npt

from pipelines.salvage.media import Media, Span
from pipelines.salvage.opus import RATE, OpusFramer, Piece
from pipelines.salvage.usual import PICTURES

Packet = tuple[int, int]
_BANDS = 14
_FLOOR = 1e-7
"""Of a band's power, of full scale: below it nothing is heard."""
_AHEAD, _BEHIND = 3, 3
"""Packets decoded before those in question, and behind them: a wrong one is heard in these too."""
_DOUBTFUL = 9.0
"""Cuts are tried that the statistics speak for this much less."""
_WEIGHT = 4.0
"""Of a power of ten by which the spectrum changes, beside the statistics."""
_OFF = 1.0
"""Speaks against one packet more or less than pictures last; by its square."""
_TOLD = 6.0
"""Packets that a piece may hold more or less than is due: muxers are not as regular, and holes take some."""
_NEAR = 0.05
"""Share by which the packets counted may differ from what a rate of pictures has."""
_TOGETHER, _MANY = 8, 40
"""Pieces that are counted together where there are many: most of these hold none that is cut wrongly."""
_LEAST_WHOLE = 0.95
"""Share of some packets that must decode."""
_PROVEN = 300
_MOST_ROUNDS = 3
_MOST_DECODED = 100_000
"""Packets: a minute or so."""

Floats = npt.NDArray[np.float64]


def _head(channels: int) -> bytes:
    """Identification header of Ogg Opus (RFC 7845 5.1), which libavcodec takes for a configuration."""
    return b"OpusHead\x01" + bytes([channels]) + bytes(2) + RATE.to_bytes(4, "little") + bytes(3)


class OpusProver:
    """Decides between packets by decoding them."""

    def __init__(self, framer: OpusFramer) -> None:
        self._framer = framer
        self._head = _head(framer.channels)
        self._last: list[bytes] = []
        """Packets before the piece."""
        self.patience = _MOST_DECODED
        """Packets that may still be decoded."""
        self._due: float | None = None

    def settled(self, piece: Piece, packets: Sequence[Packet], due: float | None = None) -> list[Packet]:
        """The packets of a piece, some of them cut elsewhere. Pieces come in the order of the file.

        due: how many there should be by the time that the pictures last.
        """
        self._due = due
        data = piece.data[:-1].astype(np.uint8).tobytes()
        chosen = list(packets)
        for _ in range(_MOST_ROUNDS):
            better = self._round(piece, data, chosen)
            if better == chosen:
                break
            chosen = better
        self._last = [*self._last, *(data[start:end] for start, end in chosen)][-_AHEAD:]
        return chosen

    def _round(self, piece: Piece, data: bytes, packets: list[Packet]) -> list[Packet]:
        """Once along the packets, each with the next."""
        heads = dict(zip(piece.places.tolist(), self._framer.heads(piece).tolist(), strict=True))
        number, chosen = 0, list(packets)
        while number < len(chosen) and self.patience > 0:
            for many in (1, 2):
                own = chosen[number : number + many]
                if len(own) < many or any(a[1] != b[0] for a, b in zip(own, own[1:], strict=False)):
                    continue
                rest = len(chosen) - many
                value = self._speaks(heads, own, rest)
                rivals = [one for one in _rivals(piece, own) if value - self._speaks(heads, one, rest) < _DOUBTFUL]
                if rivals:
                    ways = [(self._heard(data, heads, chosen, number, many, one), one) for one in (own, *rivals)]
                    chosen[number : number + many] = max(ways, key=lambda way: way[0])[1]
            number += 1
        return chosen

    def _speaks(self, heads: dict[int, float], packets: Sequence[Packet], rest: int) -> float:
        """rest: how many more there are in the piece."""
        sizes = self._framer.sizes
        off = 0.0 if self._due is None else _OFF * (len(packets) + rest - self._due) ** 2
        return float(sum(heads[start] + sizes[end - start] for start, end in packets)) - off

    def _heard(
        self, data: bytes, heads: dict[int, float], chosen: list[Packet], number: int, many: int, own: Sequence[Packet]
    ) -> float:
        """What speaks for packets in the place of `many`, as their statistics and the sound have it."""
        before = self._last + [data[a:b] for a, b in chosen[max(0, number - _AHEAD) : number]]
        behind = chosen[number + many : number + many + _BEHIND]
        row = [*before[-_AHEAD:], *(data[a:b] for a, b in [*own, *behind])]
        changes = self.changes(row)
        ahead = min(_AHEAD, len(before))
        if changes is None:
            return -np.inf
        heard = changes[max(0, ahead - 1) :]
        # As if each way had as many packets: in one more or less there is one change more or less.
        change = float(heard.mean()) if len(heard) else 0.0
        return self._speaks(heads, own, len(chosen) - many) - _WEIGHT * many * change

    def decodes(self, media: Media, blocks: Sequence[Span]) -> bool:
        """Nearly all packets of some are decoded."""
        some = blocks[:_PROVEN]
        good = sum(self.changes([bytes(media.data[start:end])]) is not None for start, end in some)
        return bool(some) and good >= _LEAST_WHOLE * len(some)

    def changes(self, packets: Sequence[bytes]) -> Floats | None:
        """How much the spectrum changes from each packet to the next, mean of its bands, as powers of ten; None if
        one is not decoded.
        """
        self.patience -= len(packets)
        context = av.CodecContext.create("libopus", "r")
        context.extradata = self._head
        spectra = []
        try:
            for packet in packets:
                decoded = [frame.to_ndarray() for frame in context.decode(av.Packet(packet))]
                if not decoded:
                    return None
                spectra.append(self._spectrum(np.concatenate([one.reshape(-1) for one in decoded])))
        except (av.FFmpegError, ValueError):
            return None
        steps: Floats = np.abs(np.diff(np.array(spectra), axis=0)).mean(axis=1)
        return steps

    def _spectrum(self, samples: npt.NDArray[np.generic]) -> Floats:
        """Power of bands, as powers of ten."""
        scale = 32768 if samples.dtype.kind == "i" else 1
        sound = samples.astype(np.float64).reshape(-1, self._framer.channels).mean(axis=1) / scale
        power = np.abs(np.fft.rfft(sound * np.hanning(len(sound)))) ** 2
        edges = np.unique(np.geomspace(2, len(power), _BANDS + 1).astype(int))
        bands = np.add.reduceat(power, edges[:-1]) / np.diff(edges)
        found: Floats = np.log10(bands + _FLOOR)
        return found


def _rivals(piece: Piece, own: Sequence[Packet]) -> Iterator[list[Packet]]:
    """Other ways to cut the bytes of a packet, or of two: into one, or two at each place where one can begin."""
    start, end = own[0][0], own[-1][1]
    if len(own) == 2:
        yield [(start, end)]
    low, high = np.searchsorted(piece.places, (start + 1, end))
    for place in piece.places[low:high].tolist():
        rival = [(start, place), (place, end)]
        if rival != list(own):
            yield rival


def opus_blocks(
    media: Media, gaps: Sequence[Span], framer: OpusFramer, starts: Sequence[int], told: Fraction | None
) -> list[Span] | None:
    """The packets in gaps between pictures; None if they do not decode.

    starts: of the pictures. told: how many of these a second there are, where that is known.
    """
    pieces = [framer.piece(bytes(media.data[start:end])) for start, end in gaps]
    likeliest = []
    for piece in pieces:
        media.go_on()
        likeliest.append(framer.packets(piece)[1])
    passed = [bisect_left(starts, start) for start, _ in gaps]
    each = _each(likeliest, passed, framer.samples, told)
    prover = OpusProver(framer)
    blocks: list[Span] = []
    carried = 0.0
    """Packets that are due, and not there so far."""
    for number, (piece, packets) in enumerate(zip(pieces, likeliest, strict=True)):
        media.go_on()
        due = None
        if each is not None and number:
            carried += (passed[number] - passed[number - 1]) * each
            due = carried if abs(carried - len(packets)) < _TOLD else None
        settled = prover.settled(piece, packets, due)
        if number:
            carried = carried - len(settled) if due is not None else 0.0
        blocks += [(gaps[number][0] + start, gaps[number][0] + end) for start, end in settled]
    return blocks if prover.decodes(media, blocks) else None


def _each(
    found: Sequence[Sequence[Packet]], passed: Sequence[int], samples: int, told: Fraction | None
) -> float | None:
    """Packets that go with a picture: as the rate of pictures has it that is told, or a usual one; None if none fits.

    passed: pictures before each piece.
    """
    if len(found) < 2 or passed[-1] <= passed[0]:
        return None
    counts = [0, *accumulate(map(len, found[1:]))]
    reach = _TOGETHER if len(found) >= _MANY else len(found) - 1
    pairs = [(n, n + reach) for n in range(len(found) - reach) if passed[n + reach] > passed[n]]
    counted = median((counts[b] - counts[a]) / (passed[b] - passed[a]) for a, b in pairs)
    if not counted:
        return None
    rates = PICTURES if told is None else (told, told / 2)
    usual = [float(RATE / samples / rate) for rate in rates]
    best = min(usual, key=lambda one: abs(one / counted - 1))
    return best if abs(best / counted - 1) < _NEAR else None
