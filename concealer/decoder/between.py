"""Pictures that nobody refers to and of which nothing arrived: made between their neighbours, once those are shown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from concealer.bitstream import Codec
from concealer.decoder.hook import copy_frame, frame_picture
from concealer.decoder.outputs import DecodedPicture
from concealer.decoder.painting import Painter
from concealer.decoder.promising import Promises
from concealer.decoder.rules import rules_of
from concealer.decoder.turn import all_lost
from concealer.outcome import Repair


class Between:
    """Makes pictures of one stream that the decoder knows nothing of."""

    def __init__(self, codec: Codec, repair: Repair | None) -> None:
        """repair: that of the decoder; None copies the nearer neighbour."""
        self._painter = Painter(rules_of(codec), repair, None)
        self._promises = Promises(rules_of(codec))

    def make(
        self, before: DecodedPicture, after: DecodedPicture, times: Sequence[int], *, frozen: bool = False
    ) -> Iterator[DecodedPicture]:
        """One picture for each of `times`, which lie evenly between the neighbours in output order.

        frozen: each repeats the one before. The others are repaired as if all of their blocks were lost.
        """
        for number, pts in enumerate(times, 1):
            near = before if frozen or 2 * number <= len(times) + 1 else after
            frame = copy_frame(near.frame)
            frame.pts = pts
            made = replace(
                near, frame=frame, damage=all_lost(frame.width, frame.height), outcome=None, pts=pts, duration=None,
                kind="?", synthesised=True, in_loop=False, moved=False, tag=None,
                promise=None,
            )  # fmt: skip
            if not frozen:
                places = ((before, 0), (after, len(times) + 1))
                neighbours = [frame_picture(one.frame, order, one.pts, one.kind) for one, order in places]
                picture = frame_picture(frame, number, pts)
                if picture is not None:
                    known = [n for n in neighbours if n is not None]
                    made.outcome = self._painter.paint(picture, made.damage, known)
                    made.promise = self._promises.made(made.outcome, made.damage, [*known[:1], picture])
            yield made
