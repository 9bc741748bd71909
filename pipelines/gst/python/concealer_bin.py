"""Plugin file of `concealbin`, loaded by GStreamer's Python plugin."""

from pipelines.gst.bindings import Gst
from pipelines.gst.receiver_bin import ConcealBin

__gstelementfactory__ = ("concealbin", Gst.Rank.NONE, ConcealBin)
