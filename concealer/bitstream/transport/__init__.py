"""Losses that a transport knows of: MPEG-TS and RTP."""

from concealer.bitstream.transport.bulk import BulkChecker
from concealer.bitstream.transport.mpegts import PACKET, ContinuityChecker, PesPacket
from concealer.bitstream.transport.renumber import Renumbering
from concealer.bitstream.transport.rtp import RtpAccessUnit, RtpDepacketiser
from concealer.bitstream.transport.rtp_order import RtpPacket
from concealer.bitstream.transport.sniff import codec_of
from concealer.bitstream.transport.tables import crc32

__all__ = [
    "BulkChecker",
    "ContinuityChecker",
    "PACKET",
    "PesPacket",
    "Renumbering",
    "RtpAccessUnit",
    "RtpDepacketiser",
    "RtpPacket",
    "codec_of",
    "crc32",
]
