"""What the loss probe tells the decoder about one access unit, as an event that travels with the buffers."""

from __future__ import annotations

from pipelines.gst.bindings import GLib, Gst
from pipelines.gst.intake import LossReport

EVENT = "concealer-loss"
RESTART = "concealer-restart"
"""The name of the event before the first packet of a sender that began anew."""


def to_event(report: LossReport) -> Gst.Event:
    """A serialised custom event, which depayloaders and parsers pass on in its place among the buffers."""
    structure = Gst.Structure.new_empty(EVENT)
    structure.set_value("pts", str(Gst.CLOCK_TIME_NONE if report.pts is None else report.pts))
    # Not a Gst.Buffer: around no bytes at all, as where the first fragment is lost, it would lack any memory.
    structure.set_value("payload", GLib.Bytes.new(report.payload))
    structure.set_value("gaps", ",".join(map(str, report.gaps)))
    structure.set_value("packets", report.packets)
    return Gst.Event.new_custom(Gst.EventType.CUSTOM_DOWNSTREAM, structure)


def from_event(event: Gst.Event) -> LossReport | None:
    """The report in `event`, None if it is another event. Raises ValueError for a report that makes no sense."""
    structure = event.get_structure()
    if structure is None or structure.get_name() != EVENT:
        return None
    try:
        payload = bytes(structure.get_value("payload").get_data() or b"")
        pts, packets = int(structure.get_value("pts")), int(structure.get_value("packets"))
        offsets = tuple(int(gap) for gap in structure.get_value("gaps").split(",") if gap)
    except (TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"{EVENT} event with other fields than ours: {error}") from None
    if any(not 0 <= gap <= len(payload) for gap in offsets):
        raise ValueError(f"{EVENT} event with gaps {offsets} outside a payload of {len(payload)} bytes")
    return LossReport(None if pts == Gst.CLOCK_TIME_NONE else pts, payload, offsets, packets)


def restart_event() -> Gst.Event:
    """A serialised custom event: what comes after it does not follow what came before."""
    return Gst.Event.new_custom(Gst.EventType.CUSTOM_DOWNSTREAM, Gst.Structure.new_empty(RESTART))


def is_restart(event: Gst.Event) -> bool:
    """Whether `event` is one that `restart_event` made."""
    return bool(event.has_name(RESTART))
