"""A seeded lossy channel, and a record of exactly what it damaged."""

from concealer.loss.channel import Channel, Received, Sent, slice_numbers, transmit, whole_loss
from concealer.loss.models import BitFlips, ByteRemoval, PictureLoss, RtpLoss, SliceLoss, ZeroRuns, fragment_bounds
from concealer.loss.process import LossProcess
from concealer.loss.record import AccessUnitDamage, DamageRecord, NalDamage, Truth, is_slice
from concealer.loss.transport_stream import TransportStreamLoss
from concealer.loss.truncation import truncate

__all__ = [
    "fragment_bounds",
    "is_slice",
    "Sent",
    "slice_numbers",
    "whole_loss",
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
    "ZeroRuns",
    "transmit",
    "truncate",
]
