"""What goes out: encoders, containers, byte streams, and the files behind them."""

from pipelines.writing.accounting import Account
from pipelines.writing.byte_stream import ByteStream
from pipelines.writing.copies import can_hold, check_codec, stream_label, with_data
from pipelines.writing.draft import Draft
from pipelines.writing.encoder import EncoderSettings, PictureEncoder
from pipelines.writing.output_file import STDOUT, is_special
from pipelines.writing.silence import Silences
from pipelines.writing.sink import Sink

__all__ = [
    "STDOUT",
    "Account",
    "ByteStream",
    "Draft",
    "EncoderSettings",
    "PictureEncoder",
    "Silences",
    "Sink",
    "can_hold",
    "is_special",
    "check_codec",
    "stream_label",
    "with_data",
]
