"""Plugin file of `concealsplice`, loaded by GStreamer's Python plugin."""

import sys

# GStreamer's Python plugin goes on using this list, to which it holds no reference; importing OpenCV replaces it.
_path = sys.path

from pipelines.gst.bindings import Gst  # noqa: E402
from pipelines.gst.splice_element import ConcealSplice  # noqa: E402

sys.path = _path

__gstelementfactory__ = ("concealsplice", Gst.Rank.NONE, ConcealSplice)
