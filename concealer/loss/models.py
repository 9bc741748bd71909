"""Loss models over NAL units: slices, pictures, RTP packets, bytes, bits, zeros."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from concealer.bitstream import AccessUnit, Codec, NalUnit
from concealer.loss.channel import Channel, Sent, slice_numbers, whole_loss
from concealer.loss.process import LossProcess

_HEADER_BYTES = {"h264": 1, "hevc": 2}
_EMULATED = (b"\x00\x00\x00", b"\x00\x00\x01", b"\x00\x00\x02")
_KIB, _DOUBLINGS = 1024, 5
GOP = 16
"""Pictures in a group of the BSCV benchmark."""


class SliceLoss(Channel):
    """Slices are lost whole, whatever their size; independently, or in Gilbert-Elliott bursts of slices."""

    name = "slice"

    def __init__(self, rate: float, *, seed: int = 0, burst: float | None = None, spare_first: bool = True) -> None:
        """`rate`: share of slices lost, 0..1; `burst`: mean run of lost slices. Raises ValueError."""
        super().__init__({"rate": rate, "burst": burst, "seed": seed}, spare_first)
        self._lost = LossProcess(rate, burst, np.random.default_rng(seed))

    def _damage(self, unit: AccessUnit, index: int) -> dict[int, Sent]:
        return {n: whole_loss(unit.nals[n]) for n in slice_numbers(unit) if self._lost()}


class PictureLoss(Channel):
    """Whole access units are lost; independently, or in Gilbert-Elliott bursts of access units."""

    name = "picture"

    def __init__(self, rate: float, *, seed: int = 0, burst: float | None = None, spare_first: bool = True) -> None:
        """`rate`: share of access units lost, 0..1; `burst`: mean run of lost ones. Raises ValueError."""
        super().__init__({"rate": rate, "burst": burst, "seed": seed}, spare_first)
        self._lost = LossProcess(rate, burst, np.random.default_rng(seed))

    def _damage(self, unit: AccessUnit, index: int) -> dict[int, Sent]:
        return {n: whole_loss(nal) for n, nal in enumerate(unit.nals)} if self._lost() else {}


class RtpLoss(Channel):
    """RTP packets are lost; independently, or in Gilbert-Elliott bursts of packets.

    NAL units that fit travel alone, longer ones as fragmentation units (FU-A, RFC 6184 5.8; FU, RFC 7798
    4.4.3). What the receiver makes of a NAL unit ends where the first of its fragments is missing; or, as recorders
    write it that close the gap, it is the fragments that arrived, joined, if the first is among them.
    """

    name = "rtp"

    def __init__(
        self,
        rate: float,
        *,
        seed: int = 0,
        burst: float | None = None,
        mtu: int = 1200,
        closed_up: bool = False,
        spare_first: bool = True,
    ) -> None:
        """`rate`: share of packets lost, 0..1; `burst`: mean run of losses; `mtu`: bytes of RTP payload; `closed_up`:
        fragments behind a gap are kept.

        Raises ValueError.
        """
        if mtu < 16:
            raise ValueError(f"RTP payload must hold at least 16 bytes, got {mtu}")
        parameters = {"rate": rate, "burst": burst, "mtu": mtu, "seed": seed}
        super().__init__(parameters | ({"closed_up": True} if closed_up else {}), spare_first)
        self._lost = LossProcess(rate, burst, np.random.default_rng(seed))
        self._mtu = mtu
        self._closed_up = closed_up

    def _damage(self, unit: AccessUnit, index: int) -> dict[int, Sent]:
        changes: dict[int, Sent] = {}
        for n, nal in enumerate(unit.nals):
            bounds = fragment_bounds(len(nal.data), unit.codec, self._mtu)
            lost = [self._lost() for _ in pairwise(bounds)]
            if not self._spares(unit, index, nal):
                self.record.packets_dropped += [self.record.packets + i for i, gone in enumerate(lost) if gone]
                if any(lost):
                    changes[n] = _joined(nal, bounds, lost) if self._closed_up else _cut(nal, bounds[lost.index(True)])
            self.record.packets += len(lost)
        return changes


def fragment_bounds(size: int, codec: Codec, mtu: int) -> list[int]:
    """Offsets in a NAL unit of `size` bytes where its RTP packets begin, and `size`: one packet if it fits.

    The NAL unit header is not sent as such in fragments; its bytes are counted to the first of them.
    """
    if size <= mtu:
        return [0, size]
    header = _HEADER_BYTES[codec]
    # FU indicator (HEVC: payload header) and FU header come before each fragment.
    body = mtu - header - 1
    return [0, *range(header + body, size, body), size]


def _cut(nal: NalUnit, at: int) -> Sent:
    """What is left if everything from `at` on is missing; zeros at its end cannot be told from padding."""
    left = nal.data[:at].rstrip(b"\x00")
    return Sent(left, [(len(left), len(nal.data) - len(left))])


def _joined(nal: NalUnit, bounds: list[int], lost: list[bool]) -> Sent:
    """What is left if the fragments between `bounds` that are `lost` are missing; nothing without the first."""
    if lost[0]:
        return whole_loss(nal)
    pieces = list(zip(pairwise(bounds), lost, strict=True))
    left = b"".join(nal.data[start:end] for (start, end), gone in pieces if not gone)
    return Sent(left, [(start, end - start) for (start, end), gone in pieces if gone])


class ByteRemoval(Channel):
    """Bytes are cut out of slices in the way of the BSCV benchmark (NeurIPS 2023).

    In every group of 16 pictures P are damaged; in each, one slice loses S / 2 bytes from the relative
    position L on. S counts hexadecimal digits there: S = 4096 removes 2048 bytes, or what the slice has.
    """

    name = "bytes"

    def __init__(self, P: int = 1, L: float = 0.5, S: int = 4096, *, seed: int = 0, spare_first: bool = True) -> None:
        """P: 0..16 pictures; L: 0..1, 0 = after the NAL unit header; S: at least 2. Raises ValueError."""
        if not 0 <= P <= GOP:
            raise ValueError(f"P, pictures in a group of {GOP}, must be within 0..{GOP}, got {P}")
        if not 0.0 <= L <= 1.0:
            raise ValueError(f"L, the relative position, must be within 0..1, got {L}")
        if S < 2:
            raise ValueError(f"S, twice the number of bytes, must be at least 2, got {S}")
        super().__init__({"P": P, "L": L, "S": S, "seed": seed}, spare_first)
        self._count, self._position, self._bytes = P, L, S // 2
        self._rng = np.random.default_rng(seed)
        self._chosen: set[int] = set()

    def _damage(self, unit: AccessUnit, index: int) -> dict[int, Sent]:
        if index % GOP == 0:
            # The spared first picture is not among those to choose from, so that P holds in its group too.
            first = int(self._spare_first and index == 0)
            places = np.arange(first, GOP)
            count = min(self._count, len(places))
            self._chosen = {int(n) for n in self._rng.choice(places, count, replace=False)}
        slices = slice_numbers(unit)
        if index % GOP not in self._chosen or not slices:
            return {}
        n = slices[int(self._rng.integers(len(slices)))]
        header = _HEADER_BYTES[unit.codec]
        return {n: remove_bytes(unit.nals[n], self._position, self._bytes, header)}


def remove_bytes(nal: NalUnit, position: float, count: int, header: int) -> Sent:
    """Take `count` bytes out at the relative `position`, never from the first `header` bytes.

    More bytes go where what is left would otherwise form a start code or end in zero: it stays one NAL unit.
    """
    data = nal.data
    start = min(max(int(position * len(data)), header), len(data) - 1)
    end = min(start + count, len(data))
    while end < len(data) and any(code in data[max(start - 2, 0) : start] + data[end : end + 2] for code in _EMULATED):
        end += 1
    if end == len(data):
        return _cut(nal, start)
    return Sent(data[:start] + data[end:], [(start, end - start)])


class BitFlips(Channel):
    """Single bits of slices are flipped, independently. No transport notices: there are no gaps."""

    name = "flips"

    def __init__(self, rate: float, *, seed: int = 0, spare_first: bool = True) -> None:
        """`rate`: probability of one bit to flip, 0..1. Raises ValueError."""
        if not 0.0 <= rate <= 1.0:
            raise ValueError(f"bit error rate must be within 0..1, got {rate}")
        super().__init__({"rate": rate, "seed": seed}, spare_first)
        self._rate = rate
        self._rng = np.random.default_rng(seed)

    def _damage(self, unit: AccessUnit, index: int) -> dict[int, Sent]:
        changes = {}
        for n in slice_numbers(unit):
            nal, header = unit.nals[n], _HEADER_BYTES[unit.codec]
            bits = 8 * (len(nal.data) - header)
            count = int(self._rng.binomial(bits, self._rate)) if bits > 0 else 0
            if count:
                sent = flip_bits(nal, 8 * header + self._rng.choice(bits, count, replace=False))
                if sent.flipped:
                    changes[n] = sent
        return changes


def flip_bits(nal: NalUnit, bits: np.ndarray) -> Sent:
    """Flip these bits of a NAL unit (0 = most significant of its first byte).

    A flip that would form a start code or a zero last byte is left out: it stays one NAL unit.
    """
    data = bytearray(nal.data)
    masks: dict[int, int] = {}
    for bit in sorted(int(bit) for bit in bits):
        at, mask = bit >> 3, 0x80 >> (bit & 7)
        data[at] ^= mask
        near = data[max(at - 2, 0) : at + 3]
        if any(code in near for code in _EMULATED) or data[-1] == 0:
            data[at] ^= mask
        else:
            masks[at] = masks.get(at, 0) | mask
    return Sent(bytes(data), flipped=sorted(masks.items()))


class ZeroRuns(Channel):
    """Runs of zeros stand in slices, as where a disk or a card lost sectors. No transport notices."""

    name = "zeros"

    def __init__(self, rate: float, *, seed: int = 0, spare_first: bool = True) -> None:
        """`rate`: share of slices hit, 0..1; runs are 1 to 32 KiB long, or what the slice has. Raises ValueError."""
        super().__init__({"rate": rate, "seed": seed}, spare_first)
        self._rng = np.random.default_rng(seed)
        self._hit = LossProcess(rate, None, self._rng)

    def _damage(self, unit: AccessUnit, index: int) -> dict[int, Sent]:
        changes = {}
        for n in slice_numbers(unit):
            data, header = unit.nals[n].data, _HEADER_BYTES[unit.codec]
            if self._hit() and len(data) > header:
                start = int(self._rng.integers(header, len(data)))
                end = min(len(data), start + int(_KIB * 2 ** self._rng.uniform(0, _DOUBLINGS)))
                zeroed = [(at, data[at]) for at in range(start, end) if data[at]]
                changes[n] = Sent(data[:start] + bytes(end - start) + data[end:], flipped=zeroed)
        return changes
