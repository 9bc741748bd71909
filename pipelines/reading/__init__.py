"""What comes in: files, pipes, live addresses, what their transport knows of losses, their times."""

from pipelines.reading.addresses import is_live, scheme
from pipelines.reading.connection import STDIN, LateStreamsError, Wanted
from pipelines.reading.dumps import is_recording
from pipelines.reading.files import ELEMENTARY
from pipelines.reading.late_streams import with_late_streams
from pipelines.reading.mending import TimeMender
from pipelines.reading.parameter_sets import of_description
from pipelines.reading.receiving import ticking
from pipelines.reading.source import Source, VideoPayload
from pipelines.reading.streams import codec_name, codec_tag, picture_rate
from pipelines.reading.timing import PictureClock

__all__ = [
    "ELEMENTARY",
    "LateStreamsError",
    "STDIN",
    "PictureClock",
    "TimeMender",
    "Source",
    "VideoPayload",
    "Wanted",
    "codec_name",
    "codec_tag",
    "is_live",
    "is_recording",
    "of_description",
    "picture_rate",
    "scheme",
    "ticking",
    "with_late_streams",
]
