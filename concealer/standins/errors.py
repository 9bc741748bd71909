"""The error of stand-in writers."""

from concealer.bitstream import BitstreamError


class UnsupportedStandInError(BitstreamError):
    """A stand-in slice cannot be written for this stream or place; the message says what stands against it."""
