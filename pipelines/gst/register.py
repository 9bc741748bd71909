"""The elements in this process, without GStreamer's plugin search."""

from __future__ import annotations

from pipelines.gst.bindings import Gst


def register() -> None:
    """Make `concealdec`, `conceallossprobe` and `concealbin` known; Gst.init() is called first if it was not."""
    Gst.init(None)
    # They make caps when they are imported, which GStreamer allows only now.
    from pipelines.gst.decoder_element import ConcealDec
    from pipelines.gst.loss_probe import ConcealLossProbe
    from pipelines.gst.receiver_bin import ConcealBin

    for name, kind in (("concealdec", ConcealDec), ("conceallossprobe", ConcealLossProbe), ("concealbin", ConcealBin)):
        Gst.Element.register(None, name, Gst.Rank.NONE, kind)
