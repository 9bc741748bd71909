"""`conceallossprobe`: what depayloaders throw away and forget, told to `concealdec`."""

from __future__ import annotations

from collections import OrderedDict

from concealer.bitstream import Codec
from concealer.bitstream.transport import RtpAccessUnit, RtpDepacketiser
from pipelines.gst.bindings import Gst, GstBase
from pipelines.gst.floating import hand_over, made_by_factory
from pipelines.gst.intake import LossReport
from pipelines.gst.loss_report import restart_event, to_event
from pipelines.gst.rtp_times import RtpTimes

ENCODINGS: dict[str, Codec] = {"H264": "h264", "H265": "hevc"}
CAPS = Gst.Caps.from_string(
    "application/x-rtp, media=(string)video, encoding-name=(string){ H264, H265 }, clock-rate=(int)90000"
)
_REMEMBERED = 64


class ConcealLossProbe(GstBase.BaseTransform):
    """Passes RTP packets on; before an access unit that lost packets is complete, a `LossReport` of it.

    Where a sender begins anew the decoder is told that what comes does not follow what came.
    """

    __gtype_name__ = "ConcealLossProbe"
    __gstmetadata__ = (
        "RTP loss probe for concealdec",
        "Network/Analyzer/RTP",
        "Place it between the jitter buffer and the depayloader: rtpjitterbuffer do-lost=true ! conceallossprobe ! "
        "rtph264depay ! concealdec. Where RTP packets are missing it sends an "
        "event that reaches concealdec just before the access unit concerned, with all of it that did arrive: "
        "depayloaders drop NAL units that are cut. Packets pass as they are; each access unit gets one time, which "
        "follows the RTP timestamps, as B-pictures need it. concealbin has it inside.",
        "concealer",
    )
    __gsttemplates__ = (
        Gst.PadTemplate.new("sink", Gst.PadDirection.SINK, Gst.PadPresence.ALWAYS, CAPS),
        Gst.PadTemplate.new("src", Gst.PadDirection.SRC, Gst.PadPresence.ALWAYS, CAPS),
    )

    def __init__(self) -> None:
        factory = made_by_factory(self)
        super().__init__()
        if factory:
            hand_over(self)
        self.set_in_place(True)
        self.sinkpad.set_query_function_full(_query)
        self._codec: Codec | None = None
        self._begin()

    def _begin(self) -> None:
        self._depacketiser = RtpDepacketiser(self._codec or "h264")
        self._clock = RtpTimes()
        self._times: OrderedDict[int, int] = OrderedDict()
        self._told = 0

    def do_start(self) -> bool:
        self._begin()
        return True

    def do_set_caps(self, incaps: Gst.Caps, outcaps: Gst.Caps) -> bool:
        codec = ENCODINGS[incaps.get_structure(0).get_string("encoding-name")]
        if codec != self._codec:
            self._codec = codec
            self._begin()
        return True

    def do_sink_event(self, event: Gst.Event) -> bool:
        if event.type == Gst.EventType.FLUSH_STOP:
            self._begin()
        elif event.type == Gst.EventType.CUSTOM_DOWNSTREAM and _is_hidden_loss(event):
            self._depacketiser.missing()
        elif event.type == Gst.EventType.EOS:
            self._report(self._depacketiser.flush())
        result: bool = GstBase.BaseTransform.do_sink_event(self, event)
        return result

    def do_transform_ip(self, buffer: Gst.Buffer) -> Gst.FlowReturn:
        packet = buffer.extract_dup(0, buffer.get_size())
        if len(packet) >= 12:
            before = self._depacketiser.restarts
            units = self._depacketiser.push(packet)
            timestamp = int.from_bytes(packet[4:8], "big")
            if self._depacketiser.restarts != before:
                self._report([unit for unit in units if unit.timestamp & 0xFFFFFFFF != timestamp])
                units = [unit for unit in units if unit.timestamp & 0xFFFFFFFF == timestamp]
                self._clock = RtpTimes()
                self._times.clear()
                self.srcpad.push_event(restart_event())
            if timestamp not in self._times and buffer.pts != Gst.CLOCK_TIME_NONE:
                self._times[timestamp] = self._clock.time(timestamp, buffer.pts)
                if len(self._times) > _REMEMBERED:
                    self._times.popitem(last=False)
            buffer.pts = self._times.get(timestamp, buffer.pts)
            self._report(units)
        return Gst.FlowReturn.OK

    def _report(self, units: list[RtpAccessUnit]) -> None:
        for unit in units:
            if not unit.gaps:
                continue
            # By sequence number: behind the jitter buffer parity may still have mended what GstRTPPacketLost announced.
            lost = self._depacketiser.lost_packets
            pts = self._times.get(unit.timestamp & 0xFFFFFFFF, Gst.CLOCK_TIME_NONE)
            known = None if pts == Gst.CLOCK_TIME_NONE else pts
            self.srcpad.push_event(to_event(LossReport(known, unit.payload, unit.gaps, lost - self._told)))
            self._told = lost


def _is_hidden_loss(event: Gst.Event) -> bool:
    """Whether it is rtpulpfecdec's, which numbers packets anew: of parity that it used, or of a packet it lacks."""
    structure = event.get_structure()
    return bool(structure.get_name() == "GstRTPPacketLost" and structure.has_field("might-have-been-fec"))


def _query(pad: Gst.Pad, parent: Gst.Element, query: Gst.Query) -> bool:
    """Query function of the sink pad: either codec may come at any time, whatever downstream takes at the moment."""
    if query.type != Gst.QueryType.CAPS:
        return Gst.Pad.query_default(pad, parent, query)
    wanted = query.parse_caps()
    query.set_caps_result(CAPS if wanted is None else wanted.intersect(CAPS))
    return True
