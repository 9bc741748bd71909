"""Inputs and outputs that are no files: which names are addresses, and what is spoken there."""

from __future__ import annotations

from urllib.parse import urlsplit

OUTPUT_FORMATS = {"udp": "mpegts", "srt": "mpegts", "rtmp": "flv", "rtmps": "flv", "tcp": "mpegts", "rtp": "rtp_mpegts"}
"""What is written to an address where no format is asked for."""
_SCHEMES = {*OUTPUT_FORMATS, "rtsp", "rtsps"}


def scheme(name: str) -> str | None:
    """The protocol of an address, None for the name of a file."""
    found = urlsplit(name).scheme.lower() if "://" in name else ""
    return found if found in _SCHEMES else None


def is_live(name: str) -> bool:
    """Whether reading `name` is receiving: an address, or the SDP description of RTP streams."""
    return scheme(name) is not None or name.lower().endswith(".sdp")
