"""Fast CABAC encoding of whole slices (H.264 9.3.4, HEVC 9.3.4): syntax becomes symbols, coded in one loop.

A symbol is (context index, bin), or (-count, value) for bypass bins, most significant bit first. A
terminating bin is a bin of a context in TERMINATE_STATE. About 0.15 microseconds a symbol.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

_RANGE_LPS = (
    (128, 176, 208, 240), (128, 167, 197, 227), (128, 158, 187, 216), (123, 150, 178, 205),
    (116, 142, 169, 195), (111, 135, 160, 185), (105, 128, 152, 175), (100, 122, 144, 166),
    (95, 116, 137, 158), (90, 110, 130, 150), (85, 104, 123, 142), (81, 99, 117, 135),
    (77, 94, 111, 128), (73, 89, 105, 122), (69, 85, 100, 116), (66, 80, 95, 110),
    (62, 76, 90, 104), (59, 72, 86, 99), (56, 69, 81, 94), (53, 65, 77, 89),
    (51, 62, 73, 85), (48, 59, 69, 80), (46, 56, 66, 76), (43, 53, 63, 72),
    (41, 50, 59, 69), (39, 48, 56, 65), (37, 45, 54, 62), (35, 43, 51, 59),
    (33, 41, 48, 56), (32, 39, 46, 53), (30, 37, 43, 50), (29, 35, 41, 48),
    (27, 33, 39, 45), (26, 31, 37, 43), (24, 30, 35, 41), (23, 28, 33, 39),
    (22, 27, 32, 37), (21, 26, 30, 35), (20, 24, 29, 33), (19, 23, 27, 31),
    (18, 22, 26, 30), (17, 21, 25, 28), (16, 20, 23, 27), (15, 19, 22, 25),
    (14, 18, 21, 24), (14, 17, 20, 23), (13, 16, 19, 22), (12, 15, 18, 21),
    (12, 14, 17, 20), (11, 14, 16, 19), (11, 13, 15, 18), (10, 12, 15, 17),
    (10, 12, 14, 16), (9, 11, 13, 15), (9, 11, 12, 14), (8, 10, 12, 14),
    (8, 9, 11, 13), (7, 9, 11, 12), (7, 9, 10, 12), (7, 8, 10, 11),
    (6, 8, 9, 11), (6, 7, 9, 10), (6, 7, 8, 9), (2, 2, 2, 2),
)  # fmt: skip
"""rangeTabLps by pStateIdx and qRangeIdx (H.264 Table 9-44, HEVC Table 9-46)."""

_NEXT_LPS = (
    0, 0, 1, 2, 2, 4, 4, 5, 6, 7, 8, 9, 9, 11, 11, 12, 13, 13, 15, 15, 16, 16, 18, 18, 19, 19, 21, 21, 22, 22,
    23, 24, 24, 25, 26, 26, 27, 27, 28, 29, 29, 30, 30, 30, 31, 32, 32, 33, 33, 33, 34, 34, 35, 35, 35, 36,
    36, 36, 37, 37, 37, 38, 38, 63,
)  # fmt: skip
"""transIdxLps by pStateIdx."""

Symbol = tuple[int, int]
State = list[Any]
"""State of a context: [valMps, state after an MPS, state after an LPS, unused, LPS ranges by range >> 6]."""


def _linked_states() -> list[State]:
    """All states, at index pStateIdx << 1 | valMps."""
    states: list[State] = [[index & 1, None, None, None, *_RANGE_LPS[index >> 1]] for index in range(128)]
    for index, state in enumerate(states):
        rank, mps = index >> 1, index & 1
        state[1] = states[min(rank + 1, 62) << 1 | mps] if rank < 63 else state
        state[2] = states[_NEXT_LPS[rank] << 1 | (mps if rank else 1 - mps)]
    return states


_STATES = _linked_states()
TERMINATE_STATE = _STATES[126]
"""State of the context that codes terminating bins: its LPS range is 2 and it never changes."""
_SHIFT = tuple(9 - value.bit_length() for value in range(256))
"""Renormalising shift of a range below 256: the least that brings it to 256 or more."""
_PENDING = 120
"""Bits gathered in the low register before whole bytes are moved out."""


def initial_state(slope: int, offset: int, qp: int) -> State:
    """State from (m, n) and SliceQpY (H.264 9.3.1.1, HEVC 9.3.2.2)."""
    rank = min(126, max(1, (slope * min(51, max(0, qp)) >> 4) + offset))
    return _STATES[rank - 64 << 1 | 1 if rank > 63 else 63 - rank << 1]


def exp_golomb(value: int, order: int) -> tuple[int, int]:
    """(bits, count) of the k-th order Exp-Golomb bypass binarisation (H.264 9.3.2.3, HEVC 9.3.3.5)."""
    ones = ((value >> order) + 1).bit_length() - 1
    rest = value - ((1 << ones) - 1 << order)
    return (1 << ones) - 1 << ones + order + 1 | rest, 2 * ones + 1 + order


class SymbolCoder:
    """Codes symbols from an initialisation of the arithmetic coder to its flush."""

    __slots__ = ("_bits", "_low", "_out", "_range", "states")

    def __init__(self, states: list[State]) -> None:
        self.states = states
        """State of each context, replaced in place by `encode`."""
        self._out = bytearray()
        self._low, self._range, self._bits = 0, 510, 0

    def encode(self, symbols: Iterable[Symbol]) -> None:
        """Code symbols. Low is one integer of 10 + bits bits, so that carries run through by themselves."""
        states, low, code_range, bits = self.states, self._low, self._range, self._bits
        shift_of = _SHIFT
        for context, value in symbols:
            if context >= 0:
                state = states[context]
                lps_range = state[code_range >> 6]
                code_range -= lps_range
                if state[0] == value:
                    states[context] = state[1]
                    if code_range < 256:
                        code_range <<= 1
                        low <<= 1
                        bits += 1
                else:
                    shift = shift_of[lps_range]
                    low = low + code_range << shift
                    code_range = lps_range << shift
                    bits += shift
                    states[context] = state[2]
                    if bits > _PENDING:
                        low, bits = self._move_out(low, bits)
            else:
                low = (low << -context) + code_range * value
                bits -= context
                if bits > _PENDING:
                    low, bits = self._move_out(low, bits)
        self._low, self._range, self._bits = low, code_range, bits

    def _move_out(self, low: int, bits: int) -> tuple[int, int]:
        """Move whole bytes from the top of low to the output; what is left of (low, bits)."""
        out = self._out
        kept = bits & 7
        size = bits >> 3
        top = low >> 9 + kept
        if top >> 8 * size:
            top -= 1 << 8 * size
            index = len(out) - 1
            while out[index] == 255:
                out[index] = 0
                index -= 1
            out[index] += 1
        out += top.to_bytes(size, "big")
        return low & (1 << 9 + kept) - 1, kept

    def finish(self) -> bytes:
        """All bytes, after a terminating bin of 1 was coded (EncodeFlush, H.264 9.3.4.5).

        The last one bit written is the stop bit; zero bits fill its byte. Coding may go on with the same
        contexts: the arithmetic coder starts anew, and what was returned is not repeated.
        """
        low, bits = self._move_out(self._low, self._bits)
        self._out += ((low >> 7 | 1) << -(bits + 2) % 8).to_bytes((bits + 9) // 8, "big")
        done = bytes(self._out)
        self._out = bytearray()
        self._low, self._range, self._bits = 0, 510, 0
        return done
