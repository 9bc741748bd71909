"""The decoder hook: picture buffers in decode order, stand-ins, and the damage of each picture."""

from concealer.decoder.extent import from_blocks
from concealer.decoder.lookahead import MOST_AHEAD
from concealer.decoder.outputs import DecodedPicture
from concealer.decoder.session import ConcealingDecoder, RepairFn
from concealer.decoder.settled import ObserveFn, Settled

__all__ = ["from_blocks", "MOST_AHEAD", "ConcealingDecoder", "DecodedPicture", "ObserveFn", "RepairFn", "Settled"]
