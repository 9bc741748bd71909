"""What the loss probe tells the decoder about one access unit, as an event that travels with the buffers."""

from __future__ import annotations

from pipelines.gst.bindings import Gst
from pipelines.gst.intake import LossReport

EVENT = "concealer-loss"


def to_event(report: LossReport) -> Gst.Event:
    """A serialised custom event, which depayloaders and parsers pass on in its place among the buffers."""
    structure = Gst.Structure.new_empty(EVENT)
    structure.set_value("pts", str(Gst.CLOCK_TIME_NONE if report.pts is None else report.pts))
    structure.set_value("payload", Gst.Buffer.new_wrapped(report.payload))
    structure.set_value("gaps", ",".join(map(str, report.gaps)))
    structure.set_value("packets", report.packets)
    return Gst.Event.new_custom(Gst.EventType.CUSTOM_DOWNSTREAM, structure)


def from_event(event: Gst.Event) -> LossReport | None:
    """The report in `event`, None if it is another event. Raises ValueError for a report that makes no sense."""
    structure = event.get_structure()
    if structure is None or structure.get_name() != EVENT:
        return None
    buffer, gaps = structure.get_value("payload"), structure.get_value("gaps")
    pts, packets = int(structure.get_value("pts")), structure.get_value("packets")
    payload = buffer.extract_dup(0, buffer.get_size())
    offsets = tuple(int(gap) for gap in gaps.split(",") if gap)
    if any(not 0 <= gap <= len(payload) for gap in offsets):
        raise ValueError(f"gaps {gaps} outside a payload of {len(payload)} bytes")
    return LossReport(None if pts == Gst.CLOCK_TIME_NONE else pts, payload, offsets, packets)
