"""What a session description says of the streams in a capture."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, field

from concealer.bitstream import START_CODE

_RTPMAP = re.compile(r"^a=rtpmap:(\d+) ([\w.-]+)/(\d+)(?:/(\d+))?", re.MULTILINE)
_APT = re.compile(r"^a=fmtp:(\d+) .*?\bapt=(\d+)", re.MULTILINE)
_FMTP = re.compile(r"^a=fmtp:(\d+) (.*)$", re.MULTILINE)
_SPROP = re.compile(r"sprop-(?:parameter-sets|vps|sps|pps)=([A-Za-z0-9+/=,]+)")
_FID = re.compile(r"^a=ssrc-group:FID (\d+) (\d+)", re.MULTILINE)


@dataclass(frozen=True)
class Format:
    """Of a payload type."""

    name: str
    """In capitals, as it is registered: H264, H265, OPUS, RTX ..."""
    clock: int
    channels: int


@dataclass
class Session:
    """All that descriptions say."""

    formats: dict[int, Format] = field(default_factory=dict)
    """By payload type."""
    repairs: dict[int, int] = field(default_factory=dict)
    """Payload types that are repaired, by those of their retransmissions (RFC 4588)."""
    pairs: dict[int, int] = field(default_factory=dict)
    """SSRCs that are repaired, by those of their retransmissions (RFC 5576)."""
    parameter_sets: dict[int, bytes] = field(default_factory=dict)
    """By payload type, with start codes."""

    def read(self, text: str) -> None:
        """Take in a description; a later one adds to those before."""
        for kind, name, clock, channels in _RTPMAP.findall(text):
            self.formats[int(kind)] = Format(name.upper(), int(clock), int(channels or 1))
        self.repairs |= {int(kind): int(of) for kind, of in _APT.findall(text)}
        self.pairs |= {int(own): int(of) for of, own in _FID.findall(text)}
        for kind, parameters in _FMTP.findall(text):
            sets = [one for found in _SPROP.findall(parameters) for one in found.split(",")]
            try:
                decoded = b"".join(START_CODE + base64.b64decode(one, validate=True) for one in sets)
            except (binascii.Error, ValueError):
                continue
            if decoded:
                self.parameter_sets[int(kind)] = decoded
