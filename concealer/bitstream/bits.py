"""Reading and writing fields of bits: u(n), ue(v), se(v) (H.264 9.1, HEVC 9.2)."""

from __future__ import annotations


class BitstreamError(ValueError):
    """A parameter set or slice header that does not follow its syntax, or ends too early."""


class BitReader:
    """Reads fields from an RBSP.

    The bits are held as a string of "0" and "1": slicing and `str.find` run at C speed, which makes a
    slice header several times cheaper than shifting a big integer.
    """

    __slots__ = ("bits", "pos")

    def __init__(self, rbsp: bytes) -> None:
        self.bits = bin(int.from_bytes(b"\x01" + rbsp, "big"))[3:]
        self.pos = 0
        """Index of the next bit."""

    def u(self, count: int) -> int:
        """Unsigned integer of `count` bits, 0 if `count` is 0. Raises BitstreamError past the end."""
        if count == 0:
            return 0
        end = self.pos + count
        if end > len(self.bits):
            raise BitstreamError("ran out of bits")
        value = int(self.bits[self.pos : end], 2)
        self.pos = end
        return value

    def flag(self) -> bool:
        """One bit. Raises BitstreamError past the end."""
        try:
            bit = self.bits[self.pos]
        except IndexError:
            raise BitstreamError("ran out of bits") from None
        self.pos += 1
        return bit == "1"

    def ue(self) -> int:
        """Exp-Golomb code, 0 .. 2**32 - 2. Raises BitstreamError past the end or on a longer prefix."""
        bits, pos = self.bits, self.pos
        one = bits.find("1", pos, pos + 33)
        if one == pos:
            self.pos = pos + 1
            return 0
        if one < 0:
            raise BitstreamError("no Exp-Golomb code here")
        end = 2 * one - pos + 1
        if end > len(bits):
            raise BitstreamError("ran out of bits")
        self.pos = end
        return int(bits[one:end], 2) - 1

    def se(self) -> int:
        """Signed Exp-Golomb code."""
        code = self.ue()
        return (code + 1) >> 1 if code & 1 else -(code >> 1)

    def ue_max(self, limit: int, name: str) -> int:
        """Exp-Golomb code that the specification limits to 0..`limit`; raises BitstreamError above it."""
        value = self.ue()
        if value > limit:
            raise BitstreamError(f"{name} must be at most {limit}, got {value}")
        return value

    def se_within(self, low: int, high: int, name: str) -> int:
        """Signed code limited to low..high; raises BitstreamError outside."""
        code = self.ue()
        value = (code + 1) >> 1 if code & 1 else -(code >> 1)
        if not low <= value <= high:
            raise BitstreamError(f"{name} must be within {low}..{high}, got {value}")
        return value

    def skip(self, count: int) -> None:
        """Pass over `count` bits; raises BitstreamError past the end."""
        if self.pos + count > len(self.bits):
            raise BitstreamError("ran out of bits")
        self.pos += count

    def more_rbsp_data(self) -> bool:
        """True if anything but rbsp_trailing_bits follows (H.264 7.2)."""
        return self.bits.rfind("1") > self.pos


class BitWriter:
    """Collects fields into an RBSP."""

    __slots__ = ("_parts",)

    def __init__(self) -> None:
        self._parts: list[str] = []

    def u(self, value: int, count: int) -> None:
        """Low `count` bits of `value`."""
        if count:
            self._parts.append(format(value & ((1 << count) - 1), f"0{count}b"))

    def flag(self, value: bool) -> None:
        self._parts.append("1" if value else "0")

    def ue(self, value: int) -> None:
        code = bin(value + 1)[2:]
        self._parts.append("0" * (len(code) - 1) + code)

    def se(self, value: int) -> None:
        self.ue(2 * value - 1 if value > 0 else -2 * value)

    def bits(self, bits: str) -> None:
        """Verbatim bits, as a string of "0" and "1"."""
        self._parts.append(bits)

    def text(self) -> str:
        """The bits so far, as `bits` takes them."""
        return "".join(self._parts)

    def aligned(self, stop: str = "1", fill: str = "0") -> bytes:
        """The bytes so far, after `stop`, filled with `fill` to a byte boundary.

        `stop` is "1" for rbsp_trailing_bits and HEVC's byte_alignment, "" for none; `fill` is "1" for
        H.264's cabac_alignment_one_bit.
        """
        bits = "".join(self._parts) + stop
        bits += fill * (-len(bits) % 8)
        return int(bits, 2).to_bytes(len(bits) // 8, "big") if bits else b""


def ceil_log2(value: int) -> int:
    """Ceil(Log2(value)) for value >= 1."""
    return (value - 1).bit_length()
