"""Reference counts of elements written in Python."""

from __future__ import annotations

import ctypes
import functools

from pipelines.gst.bindings import Gst


@functools.cache
def _gobject() -> ctypes.CDLL:
    library = ctypes.CDLL("libgobject-2.0.so.0")
    for name in ("g_object_ref", "g_object_force_floating"):
        function = getattr(library, name)
        function.argtypes = [ctypes.c_void_p]
        function.restype = ctypes.c_void_p
    return library


def made_by_factory(element: Gst.Element) -> bool:
    """Whether GStreamer is creating `element`; to be asked before `super().__init__()`.

    Called from Python, the constructor runs before there is an object behind it.
    """
    return bool(hash(element))


def hand_over(element: Gst.Element) -> None:
    """Give a factory-made element the floating reference that its creator expects to own.

    PyGObject before 3.51 takes the only reference for its wrapper; element factories then log a critical message.
    """
    if not element.is_floating():
        _gobject().g_object_ref(hash(element))
        _gobject().g_object_force_floating(hash(element))
