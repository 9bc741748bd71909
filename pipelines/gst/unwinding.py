"""C++ exceptions beside GStreamer.

GStreamer brings libunwind, whose functions bear the names of libgcc's. Where NumPy or another library has brought
libgcc first, later calls go half to the one and half to the other, and the first exception that a C++ library throws
ends the process. Both orders that are whole work: libunwind before libgcc, as in gst-launch, and libgcc before
libunwind for everyone, which `prefer_libgcc` makes sure of if it comes before GStreamer.
"""

from __future__ import annotations

import ctypes

_preferred_in_time = False


def prefer_libgcc() -> None:
    """To be called before GStreamer is loaded; later it changes nothing."""
    global _preferred_in_time
    if any("libunwind" in name for name in _loaded()):
        return
    try:
        ctypes.CDLL("libgcc_s.so.1", mode=ctypes.RTLD_GLOBAL)
    except OSError:
        return  # not glibc: nobody has both
    _preferred_in_time = True


def exceptions_work() -> bool:
    """Whether a C++ library may throw in this process."""
    names = _loaded()
    unwind = next((place for place, name in enumerate(names) if "libunwind" in name), None)
    gcc = next((place for place, name in enumerate(names) if "libgcc_s" in name), None)
    return _preferred_in_time or unwind is None or gcc is None or unwind < gcc


class _Info(ctypes.Structure):
    """The beginning of dl_phdr_info."""

    _fields_ = [("address", ctypes.c_void_p), ("name", ctypes.c_char_p)]


def _loaded() -> list[str]:
    """Paths of the loaded libraries in the order of loading."""
    names: list[str] = []

    @ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(_Info), ctypes.c_size_t, ctypes.c_void_p)
    def note(info: ctypes._Pointer[_Info], size: int, data: int | None) -> int:
        names.append((info.contents.name or b"").decode(errors="replace"))
        return 0

    ctypes.CDLL(None).dl_iterate_phdr(note, None)
    return names
