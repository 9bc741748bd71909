"""The session of one stream: picture buffers in decode order, stand-ins, and the damage of each picture."""

from concealer.decoder.between import Between
from concealer.decoder.extent import from_blocks
from concealer.decoder.follower import Follower
from concealer.decoder.outputs import DecodedPicture
from concealer.decoder.scout import MOST_AHEAD
from concealer.decoder.session import ConcealingDecoder
from concealer.decoder.settled import ObserveFn, Settled

__all__ = [
    "MOST_AHEAD",
    "Between",
    "ConcealingDecoder",
    "DecodedPicture",
    "Follower",
    "ObserveFn",
    "Settled",
    "from_blocks",
]
