"""Packets that get another payload keep what they carry."""

from __future__ import annotations

import io
from fractions import Fraction

import av

from pipelines.writing import with_data


def test_each_has_its_number_for_itself() -> None:
    """PyAV forgets an object for all packets that carry it as soon as one of them is freed."""
    container = av.open(io.BytesIO(), "w", format="h264")
    packet = av.Packet(b"one")
    packet.stream, packet.opaque = container.add_stream("libx264", rate=25), [23]
    packet.time_base = Fraction(1, 25)
    made = with_data(packet, b"another")
    del packet
    assert bytes(made) == b"another"
    assert made.opaque == [23]
