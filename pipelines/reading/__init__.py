"""What comes in: files, pipes, live addresses, what their transport knows of losses, their times."""

from pipelines.reading.addresses import is_live, scheme
from pipelines.reading.connection import STDIN
from pipelines.reading.files import ELEMENTARY
from pipelines.reading.receiving import ticking
from pipelines.reading.source import Source, VideoPayload, with_late_streams
from pipelines.reading.streams import codec_name
from pipelines.reading.timing import PictureClock

__all__ = [
    "ELEMENTARY",
    "STDIN",
    "PictureClock",
    "Source",
    "VideoPayload",
    "codec_name",
    "is_live",
    "scheme",
    "ticking",
    "with_late_streams",
]
