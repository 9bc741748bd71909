"""The elements in this process, without GStreamer's plugin search."""

from __future__ import annotations

from pipelines.gst.bindings import Gst


def register() -> None:
    """Make the elements known; Gst.init() is called first if it was not."""
    Gst.init(None)
    # They make caps when they are imported, which GStreamer allows only now.
    from pipelines.gst.decoder_element import ConcealDec
    from pipelines.gst.loss_probe import ConcealLossProbe
    from pipelines.gst.receiver_bin import ConcealBin
    from pipelines.gst.splice_element import ConcealSplice

    kinds = {
        "concealdec": ConcealDec,
        "conceallossprobe": ConcealLossProbe,
        "concealbin": ConcealBin,
        "concealsplice": ConcealSplice,
    }
    for name, kind in kinds.items():
        Gst.Element.register(None, name, Gst.Rank.NONE, kind)
