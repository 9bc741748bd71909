"""Writing slices in place of lost ones. Raises UnsupportedStandInError where a stream forbids it."""

from concealer.standins.errors import UnsupportedStandInError
from concealer.standins.whole import (
    OTHER_STOP_TAIL,
    STOP,
    STOP_TAIL,
    first_slice_standin,
    junk_tail,
    lost_field_standin,
    lost_idr_standin,
    lost_picture_standin,
    stop_tail,
)

__all__ = [
    "OTHER_STOP_TAIL",
    "STOP",
    "STOP_TAIL",
    "UnsupportedStandInError",
    "first_slice_standin",
    "junk_tail",
    "lost_field_standin",
    "lost_idr_standin",
    "lost_picture_standin",
    "stop_tail",
]
