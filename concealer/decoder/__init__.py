"""The decoder hook: picture buffers in decode order, stand-ins, and the damage of each picture."""

from concealer.decoder.outputs import DecodedPicture
from concealer.decoder.session import ConcealingDecoder, RepairFn

__all__ = ["ConcealingDecoder", "DecodedPicture", "RepairFn"]
