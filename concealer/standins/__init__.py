"""Writing slices in place of lost ones. Raises UnsupportedStandInError where a stream forbids it."""

from concealer.standins.errors import UnsupportedStandInError
from concealer.standins.whole import first_slice_standin, junk_tail, lost_idr_standin, lost_picture_standin

__all__ = [
    "UnsupportedStandInError",
    "first_slice_standin",
    "junk_tail",
    "lost_idr_standin",
    "lost_picture_standin",
]
