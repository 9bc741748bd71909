"""Plugin file of `concealdec`, loaded by GStreamer's Python plugin."""

from pipelines.gst.bindings import Gst
from pipelines.gst.decoder_element import ConcealDec

__gstelementfactory__ = ("concealdec", Gst.Rank.NONE, ConcealDec)
