"""What goes out: encoders, containers, byte streams, and the files behind them."""

from pipelines.writing.byte_stream import ByteStream
from pipelines.writing.draft import Draft
from pipelines.writing.encoder import EncoderSettings, PictureEncoder
from pipelines.writing.output_file import STDOUT
from pipelines.writing.sink import Sink, can_hold, check_codec, stream_label, with_data

__all__ = [
    "STDOUT",
    "ByteStream",
    "Draft",
    "EncoderSettings",
    "PictureEncoder",
    "Sink",
    "can_hold",
    "check_codec",
    "stream_label",
    "with_data",
]
