"""Damaged streams made whole in the stream itself: received NAL units stay, written slices carry the repair."""

from concealer.splice.splicer import Splicer
from concealer.splice.unit import SplicedUnit, Written

__all__ = ["SplicedUnit", "Splicer", "Written"]
