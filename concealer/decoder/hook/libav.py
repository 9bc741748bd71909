"""The few libav entry points and structure places the hook needs, each verified before it is trusted.

PyAV exposes no `get_buffer2` and no decoder internals, so this module reaches the FFmpeg libraries that PyAV itself
loaded, through ctypes. Nothing is compiled. Whatever does not hold on this machine raises `HookUnavailableError`, and
the decoder then takes a slower route that needs none of it.
"""

from __future__ import annotations

import ctypes
import functools
import os
import re
import struct
from pathlib import Path

import av
import av.codec.context

GET_BUFFER2 = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int)
_CONTEXT_SCAN_BYTES = 1200
"""AVCodecContext is about 900 bytes in libavcodec 62; the get_buffer2 slot lies inside."""
_PRIVATE_SCAN_BYTES = 1 << 18
_REFERENCE = struct.Struct("3Q")
"""AVBufferRef (libavutil/buffer.h): buffer, data, size."""
_ReferenceBytes = ctypes.c_char * _REFERENCE.size


class HookUnavailableError(RuntimeError):
    """The libav in this process is not laid out as the hook expects; the message says what differs."""


class AVFrameHead(ctypes.Structure):
    """First members of AVFrame (libavutil/frame.h), unchanged since FFmpeg 2."""

    _fields_ = [
        ("data", ctypes.c_void_p * 8),
        ("linesize", ctypes.c_int * 8),
        ("extended_data", ctypes.c_void_p),
        ("width", ctypes.c_int),
        ("height", ctypes.c_int),
        ("nb_samples", ctypes.c_int),
        ("format", ctypes.c_int),
    ]


class Libav:
    """libavcodec and libavutil as PyAV loaded them. Use `libav()`; raises `HookUnavailableError` without them."""

    def __init__(self) -> None:
        self.codec = _loaded_library("libavcodec")
        self.util = _loaded_library("libavutil")
        try:
            self.codec.avcodec_get_class.restype = ctypes.c_void_p
            self.util.av_frame_clone.restype = ctypes.c_void_p
            self.util.av_frame_clone.argtypes = [ctypes.c_void_p]
            self.util.av_frame_free.restype = None
            self.util.av_frame_free.argtypes = [ctypes.POINTER(ctypes.c_void_p)]
            self.util.av_frame_get_plane_buffer.restype = ctypes.c_void_p
            self.util.av_frame_get_plane_buffer.argtypes = [ctypes.c_void_p, ctypes.c_int]
            self.util.av_opt_set_int.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int64, ctypes.c_int]
            self.util.av_get_pix_fmt_name.restype = ctypes.c_char_p
            self.util.av_get_pix_fmt_name.argtypes = [ctypes.c_int]
            address = ctypes.cast(self.codec.avcodec_default_get_buffer2, ctypes.c_void_p).value
        except AttributeError as error:
            raise HookUnavailableError(f"libav lacks a needed symbol: {error}") from None
        if not address:
            raise HookUnavailableError("avcodec_default_get_buffer2 has no address")
        self.default_get_buffer2_address = address
        self.default_get_buffer2 = GET_BUFFER2(address)

    def context_pointer(self, context: av.codec.context.CodecContext) -> int:
        """Address of the AVCodecContext behind `context`.

        The pointer is the first member that PyAV's extension type adds to its object head; it is trusted only if the
        structure it names starts with libavcodec's own AVClass.
        """
        pointer = ctypes.c_void_p.from_address(id(context) + 24).value
        class_pointer = self.codec.avcodec_get_class()
        if not pointer or pointer % 8 or read_memory(pointer, 8) != struct.pack("<Q", class_pointer):
            raise HookUnavailableError("the AVCodecContext is not where this version of PyAV keeps it")
        return pointer

    def get_buffer2_slot(self, context_pointer: int) -> int:
        """Address of AVCodecContext.get_buffer2: the first slot that holds the default's address.

        More may follow behind the structure's end, where a freed context lay once.
        """
        words = read_memory(context_pointer, _CONTEXT_SCAN_BYTES)
        target = struct.pack("<Q", self.default_get_buffer2_address)
        place = next((o for o in range(0, len(words) - 7, 8) if words[o : o + 8] == target), None)
        if place is None:
            raise HookUnavailableError("get_buffer2 is not in the AVCodecContext where it should be")
        return context_pointer + place

    def free_frame(self, frame: int) -> None:
        pointer = ctypes.c_void_p(frame)
        self.util.av_frame_free(ctypes.byref(pointer))

    def plane_memory(self, frame: int, plane: int) -> tuple[int, int]:
        """(address, bytes) of the memory that holds a plane of the AVFrame at `frame`; (0, 0) if there is none."""
        reference = self.util.av_frame_get_plane_buffer(frame, plane)
        if not reference:
            return 0, 0
        _, address, size = _REFERENCE.unpack_from(_ReferenceBytes.from_address(reference))
        return address, size

    def set_option(self, context_pointer: int, name: str, value: int) -> None:
        """Set an option of an open context. Raises `HookUnavailableError` where it has none of that name."""
        if self.util.av_opt_set_int(context_pointer, name.encode(), value, 0) < 0:
            raise HookUnavailableError(f"the decoder has no option {name}")

    def pixel_format(self, value: int) -> str:
        name = self.util.av_get_pix_fmt_name(value)
        return name.decode() if name else ""


@functools.cache
def libav() -> Libav:
    """The libraries, looked up once. Raises `HookUnavailableError`."""
    return Libav()


@functools.cache
def _own_memory() -> int:
    try:
        return os.open("/proc/self/mem", os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise HookUnavailableError(f"own memory cannot be read safely here: {error}") from None


def _forget_memory() -> None:
    """In a forked child: the file still shows the memory of the parent."""
    if _own_memory.cache_info().currsize:
        os.close(_own_memory())
        _own_memory.cache_clear()


os.register_at_fork(after_in_child=_forget_memory)


def read_memory(address: int, length: int) -> bytes:
    """Up to `length` bytes at `address` of this process; fewer, or none, where nothing is mapped. Never faults."""
    try:
        return os.pread(_own_memory(), length, address)
    except (OSError, OverflowError):
        return b""


def private_data_pointer(context_pointer: int) -> int:
    """Address of the decoder's private data.

    AVCodecContext begins {av_class, log_level_offset + codec_type, codec, codec_id + codec_tag, priv_data}.
    """
    return int.from_bytes(read_memory(context_pointer + 32, 8), "little")


def read_private_data(context_pointer: int) -> tuple[int, bytes]:
    """(address, bytes) of the decoder's private data, as many bytes as are mapped up to 256 kB."""
    pointer = private_data_pointer(context_pointer)
    pages = []
    for offset in range(0, _PRIVATE_SCAN_BYTES, 4096):
        page = read_memory(pointer + offset, 4096)
        pages.append(page)
        if len(page) < 4096:
            break
    return pointer, b"".join(pages)


def _loaded_library(name: str) -> ctypes.CDLL:
    """The shared library `name` that this process already has in memory (PyAV's own, not the system's)."""
    maps = Path("/proc/self/maps")
    if not maps.exists():
        raise HookUnavailableError("the hook needs /proc/self/maps (Linux)")
    pattern = re.compile(rf"/{name}[-.][^/]*$")
    paths = {
        fields[5]
        for fields in (line.split(None, 5) for line in maps.read_text().splitlines())
        if len(fields) == 6 and pattern.search(fields[5])
    }
    own = [path for path in paths if "av.libs" in path] or sorted(paths)
    if len(own) != 1:
        raise HookUnavailableError(f"{len(own)} copies of {name} are loaded, expected PyAV's alone")
    return ctypes.CDLL(own[0])
