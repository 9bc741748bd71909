"""GStreamer elements: `concealdec`, `conceallossprobe`, `concealbin`, `concealsplice`.

`python/` is what GStreamer loads (GST_PLUGIN_PATH = this folder); `python -m pipelines.gst` says what to set. Modules
here that need GStreamer's bindings are imported by nothing else in the package, which works without them.
"""
