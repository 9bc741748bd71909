"""GStreamer's introspection modules, in the versions the elements are written for.

Importing it raises ImportError where PyGObject is missing, ValueError where GStreamer's typelibs are.
"""

from pipelines.gst.unwinding import prefer_libgcc

prefer_libgcc()

import gi  # noqa: E402

gi.require_version("Gst", "1.0")
gi.require_version("GstBase", "1.0")
gi.require_version("GstVideo", "1.0")
from gi.repository import GLib, GObject, Gst, GstBase, GstVideo  # noqa: E402

__all__ = ["GLib", "GObject", "Gst", "GstBase", "GstVideo"]
