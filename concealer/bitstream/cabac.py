"""The arithmetic encoder that H.264 (9.3.4) and HEVC (9.3.4.5 ff.) share."""

from __future__ import annotations

RANGE_LPS = (
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

NEXT_LPS = (
    0, 0, 1, 2, 2, 4, 4, 5, 6, 7, 8, 9, 9, 11, 11, 12, 13, 13, 15, 15, 16, 16, 18, 18, 19, 19, 21, 21, 22, 22,
    23, 24, 24, 25, 26, 26, 27, 27, 28, 29, 29, 30, 30, 30, 31, 32, 32, 33, 33, 33, 34, 34, 35, 35, 35, 36,
    36, 36, 37, 37, 37, 38, 38, 63,
)  # fmt: skip
"""transIdxLps by pStateIdx."""

Context = list[int]
"""[pStateIdx, valMps]"""


class CabacEncoder:
    """Encodes bins; low is kept exactly, as one integer, so no carry has to be tracked."""

    def __init__(self) -> None:
        self._low = 0
        self._range = 510
        self._shifts = 0

    def encode(self, context: Context, value: int) -> None:
        """One bin coded with a context (9.3.4.2)."""
        state, most_probable = context
        lps = RANGE_LPS[state][self._range >> 6 & 3]
        self._range -= lps
        if value != most_probable:
            self._low += self._range
            self._range = lps
            if state == 0:
                context[1] = 1 - most_probable
            context[0] = NEXT_LPS[state]
        elif state < 62:
            context[0] = state + 1
        self._renormalise()

    def terminate(self, value: int) -> None:
        """end_of_slice_segment_flag, end_of_slice_flag or end_of_subset_one_bit."""
        self._range -= 2
        if value:
            self._low += self._range
            self._range = 2
        self._renormalise()

    def finish(self) -> str:
        """All bits, after a terminating bin of 1 (EncodeFlush, 9.3.4.5); the last is the stop or alignment bit."""
        # low has 9 bits and one for each shift; the last 7 are not sent, and the last one sent is 1.
        return format(self._low >> 7 | 1, f"0{self._shifts + 2}b")

    def _renormalise(self) -> None:
        shift = 9 - self._range.bit_length()
        self._range <<= shift
        self._low <<= shift
        self._shifts += shift
