"""The decoder hook: picture buffers in decode order, stand-ins, and the damage of each picture."""

from concealer.decoder.outputs import DecodedPicture
from concealer.decoder.session import ConcealingDecoder, RepairFn
from concealer.decoder.settled import ObserveFn, Settled

__all__ = ["ConcealingDecoder", "DecodedPicture", "ObserveFn", "RepairFn", "Settled"]
