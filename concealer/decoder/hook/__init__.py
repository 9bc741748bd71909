"""libav's memory: picture buffers, what was decoded in them, motion fields. Raises HookUnavailableError."""

from concealer.decoder.hook.buffers import Buffer, BufferHook
from concealer.decoder.hook.core import Decoded, DecoderCore, PlainCore, open_context
from concealer.decoder.hook.frames import copy_frame, frame_picture, frame_planes
from concealer.decoder.hook.h264_vectors import H264Vectors
from concealer.decoder.hook.libav import AVFrameHead, HookUnavailableError, libav, read_memory
from concealer.decoder.hook.motion_store import Field, MotionStore, open_store, received_vectors, write_vectors

__all__ = [
    "AVFrameHead",
    "Buffer",
    "BufferHook",
    "Decoded",
    "DecoderCore",
    "Field",
    "H264Vectors",
    "HookUnavailableError",
    "MotionStore",
    "PlainCore",
    "copy_frame",
    "frame_picture",
    "frame_planes",
    "libav",
    "open_context",
    "open_store",
    "read_memory",
    "received_vectors",
    "write_vectors",
]
