"""Losses that a transport knows of: MPEG-TS and RTP."""

from concealer.bitstream.transport.mpegts import PACKET, ContinuityChecker, PesPacket
from concealer.bitstream.transport.rtp import RtpAccessUnit, RtpDepacketiser

__all__ = [
    "ContinuityChecker",
    "PACKET",
    "PesPacket",
    "RtpAccessUnit",
    "RtpDepacketiser",
]
