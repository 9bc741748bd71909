"""The session of one stream: picture buffers in decode order, stand-ins, and the damage of each picture."""

from concealer.decoder.between import Between
from concealer.decoder.extent import from_blocks
from concealer.decoder.fields import Part, parts_of
from concealer.decoder.follower import Follower
from concealer.decoder.growing import OF_USE
from concealer.decoder.outputs import DecodedPicture
from concealer.decoder.placing import Placer
from concealer.decoder.roots import Roots
from concealer.decoder.rules import rules_of
from concealer.decoder.scout import MOST_AHEAD
from concealer.decoder.session import ConcealingDecoder
from concealer.decoder.settled import ObserveFn, Settled

__all__ = [
    "MOST_AHEAD",
    "OF_USE",
    "Between",
    "ConcealingDecoder",
    "DecodedPicture",
    "Follower",
    "ObserveFn",
    "Part",
    "Placer",
    "Roots",
    "Settled",
    "from_blocks",
    "parts_of",
    "rules_of",
]
