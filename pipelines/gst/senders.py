"""Sequence numbers that go on from one sender to the next, for rtpjitterbuffer, which does not look at the SSRC.

It takes the first packets of a sender that began anew for late ones of the old, if their numbers happen to lie close
behind. An rtpbin in front, which has a jitter buffer for each SSRC, makes this needless.
"""

from __future__ import annotations

from collections import OrderedDict

from pipelines.gst.bindings import Gst
from pipelines.gst.loss_probe import CAPS

_REMEMBERED = 4


class Renumbering:
    """Of one RTP session in which one sender follows another."""

    def __init__(self) -> None:
        self._offsets: OrderedDict[bytes, int] = OrderedDict()
        """By SSRC."""
        self._highest: int | None = None

    def renumbered(self, head: bytes) -> bytes | None:
        """The sequence number that a packet is to bear, None if it is its own. head: its first 12 bytes."""
        sequence, source = int.from_bytes(head[2:4], "big"), head[8:12]
        offset = self._offsets.get(source)
        if offset is None:
            offset = 0 if self._highest is None else (self._highest + 1 - sequence) & 0xFFFF
            self._offsets[source] = offset
            if len(self._offsets) > _REMEMBERED:
                self._offsets.popitem(last=False)
        made = (sequence + offset) & 0xFFFF
        if self._highest is None or 0 < (made - self._highest) & 0xFFFF < 0x8000:
            self._highest = made
        return made.to_bytes(2, "big") if offset else None


class Senders(Gst.Element):
    """In `concealbin`, before the jitter buffer."""

    __gtype_name__ = "ConcealSenders"
    __gstmetadata__ = ("RTP renumberer", "Network/RTP", "Lets sequence numbers go on over SSRCs.", "concealer")
    __gsttemplates__ = (
        Gst.PadTemplate.new("sink", Gst.PadDirection.SINK, Gst.PadPresence.ALWAYS, CAPS),
        Gst.PadTemplate.new("src", Gst.PadDirection.SRC, Gst.PadPresence.ALWAYS, CAPS),
    )

    def __init__(self) -> None:
        super().__init__()
        self._sink = Gst.Pad.new_from_template(self.get_pad_template("sink"), "sink")
        self._src = Gst.Pad.new_from_template(self.get_pad_template("src"), "src")
        self._sink.set_chain_function_full(lambda pad, parent, buffer: parent.chain(buffer))
        # By default caps stay behind: both pads have them.
        self._sink.set_event_function_full(lambda pad, parent, event: parent.forward(event))
        self.add_pad(self._sink)
        self.add_pad(self._src)
        self._renumbering = Renumbering()

    def forward(self, event: Gst.Event) -> bool:
        """Event function of the sink pad."""
        return bool(self._src.push_event(event))

    def chain(self, packet: Gst.Buffer) -> Gst.FlowReturn:
        """Chain function of the sink pad."""
        head = packet.extract_dup(0, min(12, packet.get_size()))
        sequence = self._renumbering.renumbered(head) if len(head) == 12 else None
        if sequence is not None:
            packet = packet.copy_deep()
            packet.fill(2, sequence)
        return self._src.push(packet)
