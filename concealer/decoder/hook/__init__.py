"""libav's memory: picture buffers, what was decoded in them, motion fields. Raises HookUnavailableError."""

from concealer.decoder.hook.buffers import Buffer
from concealer.decoder.hook.codec_hook import VectorReader
from concealer.decoder.hook.coding import FRAME, Coding, Ends
from concealer.decoder.hook.context import padded_packet
from concealer.decoder.hook.core import BareCore, Decoded, DecoderCore, PlainCore
from concealer.decoder.hook.errors import Errors
from concealer.decoder.hook.frames import copy_frame, frame_picture, frame_planes
from concealer.decoder.hook.hevc import inter_header
from concealer.decoder.hook.libav import AVFrameHead, HookUnavailableError, libav, read_memory
from concealer.decoder.hook.motion_store import Field, MotionStore, received_vectors, reset_vectors, write_vectors
from concealer.decoder.hook.substream_probe import Reading, SubstreamProbe

__all__ = [
    "FRAME",
    "AVFrameHead",
    "BareCore",
    "Buffer",
    "Coding",
    "Decoded",
    "DecoderCore",
    "Ends",
    "Errors",
    "Field",
    "HookUnavailableError",
    "MotionStore",
    "PlainCore",
    "Reading",
    "SubstreamProbe",
    "VectorReader",
    "copy_frame",
    "frame_picture",
    "frame_planes",
    "inter_header",
    "libav",
    "padded_packet",
    "read_memory",
    "received_vectors",
    "reset_vectors",
    "write_vectors",
]
