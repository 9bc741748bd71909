"""A seeded lossy channel, and a record of exactly what it damaged."""

from .channel import Channel, Received, transmit
from .models import BitFlips, ByteRemoval, PictureLoss, RtpLoss, SliceLoss
from .process import LossProcess
from .record import AccessUnitDamage, DamageRecord, NalDamage, Truth
from .transport_stream import TransportStreamLoss
from .truncation import truncate

__all__ = [
    "AccessUnitDamage",
    "BitFlips",
    "ByteRemoval",
    "Channel",
    "DamageRecord",
    "LossProcess",
    "NalDamage",
    "PictureLoss",
    "Received",
    "RtpLoss",
    "SliceLoss",
    "TransportStreamLoss",
    "Truth",
    "transmit",
    "truncate",
]
