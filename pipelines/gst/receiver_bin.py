"""`concealbin`: RTP in, repaired raw video out."""

from __future__ import annotations

from pipelines.gst.bindings import GLib, GObject, Gst
from pipelines.gst.decoder_element import ConcealDec
from pipelines.gst.floating import hand_over, made_by_factory
from pipelines.gst.loss_probe import CAPS, ConcealLossProbe
from pipelines.gst.options import PROPERTIES, STATS
from pipelines.gst.raw_video import CAPS as RAW_CAPS
from pipelines.gst.senders import Senders

_DEPAYLOADERS = {"H264": "rtph264depay", "H265": "rtph265depay"}


class ConcealBin(Gst.Bin):
    """rtpjitterbuffer, conceallossprobe, the depayloader that the caps ask for, concealdec."""

    __gtype_name__ = "ConcealBin"
    __gstmetadata__ = (
        "Concealing RTP receiver",
        "Codec/Decoder/Network/RTP",
        "RTP packets of H.264 or HEVC in, repaired raw video out: jitter buffer, loss probe, depayloader and "
        "concealdec, wired. udpsrc port=5004 caps=application/x-rtp,media=video,clock-rate=90000,encoding-name=H264 ! "
        "concealbin latency=100 ! videoconvert ! autovideosink. Children: jitterbuffer, probe, depayloader, decoder "
        "(set as in concealbin jitterbuffer::mode=none).",
        "concealer",
    )
    __gsttemplates__ = (
        Gst.PadTemplate.new("sink", Gst.PadDirection.SINK, Gst.PadPresence.ALWAYS, CAPS),
        Gst.PadTemplate.new("src", Gst.PadDirection.SRC, Gst.PadPresence.ALWAYS, RAW_CAPS),
    )
    __gproperties__ = {
        **PROPERTIES,
        "latency": (
            GObject.TYPE_UINT,
            "Latency",
            "Milliseconds that the jitter buffer waits for packets that are late or out of order.",
            0,
            60_000,
            200,
            GObject.ParamFlags.READWRITE | Gst.PARAM_MUTABLE_PLAYING,
        ),
        "stats": STATS,
    }

    def __init__(self) -> None:
        factory = made_by_factory(self)
        super().__init__()
        if factory:
            hand_over(self)
        self._senders = Senders()
        self._senders.set_name("senders")
        self._buffer = _make("rtpjitterbuffer", "jitterbuffer")
        self._buffer.set_property("do-lost", True)
        self._probe = ConcealLossProbe()
        self._probe.set_name("probe")
        self._decoder = ConcealDec()
        self._decoder.set_name("decoder")
        self._depayloader: Gst.Element | None = None
        for element in (self._senders, self._buffer, self._probe, self._decoder):
            self.add(element)
        self._senders.link(self._buffer)
        self._buffer.link(self._probe)
        sink = Gst.GhostPad.new_from_template(
            "sink", self._senders.get_static_pad("sink"), self.get_pad_template("sink")
        )
        src = Gst.GhostPad.new_from_template("src", self._decoder.get_static_pad("src"), self.get_pad_template("src"))
        self.add_pad(sink)
        self.add_pad(src)
        self._probe.get_static_pad("sink").add_probe(Gst.PadProbeType.EVENT_DOWNSTREAM, _on_event)

    def do_get_property(self, pspec: GObject.ParamSpec) -> object:
        element = self._buffer if pspec.name == "latency" else self._decoder
        return element.get_property(pspec.name)

    def do_set_property(self, pspec: GObject.ParamSpec, value: str | int | float | bool) -> None:
        element = self._buffer if pspec.name == "latency" else self._decoder
        element.set_property(pspec.name, value)

    def wire(self, caps: Gst.Caps) -> None:
        """Put in the depayloader that `caps` need; called in the streaming thread, before the probe gets them."""
        name = _DEPAYLOADERS[caps.get_structure(0).get_string("encoding-name")]
        old = self._depayloader
        if old is not None:
            if old.get_factory().get_name() == name:
                return
            self._probe.unlink(old)
            old.unlink(self._decoder)
            self.remove(old)
            old.set_state(Gst.State.NULL)
        try:
            self._depayloader = _make(name, "depayloader")
            self.add(self._depayloader)
            _link(self._depayloader, self._decoder)
            self._depayloader.sync_state_with_parent()
            _link(self._probe, self._depayloader)
        except RuntimeError as error:
            failure = GLib.Error.new_literal(Gst.CoreError.quark(), str(error), Gst.CoreError.MISSING_PLUGIN)
            self.post_message(Gst.Message.new_error(self, failure, str(error)))


def _link(upstream: Gst.Element, downstream: Gst.Element) -> None:
    """Link without asking for caps: the source may have gone on to another codec than the one that arrives here."""
    if not upstream.link_pads_full("src", downstream, "sink", Gst.PadLinkCheck.NOTHING):
        raise RuntimeError(f"{upstream.get_name()} cannot be linked to {downstream.get_name()}")


def _on_event(pad: Gst.Pad, info: Gst.PadProbeInfo) -> Gst.PadProbeReturn:
    event = info.get_event()
    if event.type == Gst.EventType.CAPS:
        pad.get_parent_element().get_parent().wire(event.parse_caps())
    return Gst.PadProbeReturn.OK


def _make(factory: str, name: str) -> Gst.Element:
    element = Gst.ElementFactory.make(factory, name)
    if element is None:
        raise RuntimeError(f"no element {factory}: install gstreamer1.0-plugins-good")
    return element
