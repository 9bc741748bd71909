"""Plugin file of `conceallossprobe`, loaded by GStreamer's Python plugin."""

from pipelines.gst.bindings import Gst
from pipelines.gst.loss_probe import ConcealLossProbe

__gstelementfactory__ = ("conceallossprobe", Gst.Rank.NONE, ConcealLossProbe)
