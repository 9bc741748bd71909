"""A promise for every picture of a stream that damage has touched.

Two maps go along with the pictures: what each block is expected to err by, and how much changed from picture to picture
where it was repaired. What repair says of its own blocks is added to what holds of their references; all others take
over the latter from where they are, as most of them move little.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from concealer.bitstream import AccessUnit, MissingPicture
from concealer.damage import DamageMap
from concealer.decoder.hook import Buffer
from concealer.decoder.outputs import Record
from concealer.decoder.promising.aftermath import Aftermath
from concealer.decoder.promising.glimpse import Glimpse
from concealer.decoder.promising.model import shipped
from concealer.decoder.rules import Rules
from concealer.outcome import Promise, RepairOutcome
from concealer.picture import Picture

_Maps = npt.NDArray[np.float32]
"""(2, rows, cols): expected mean squared error; mean squared change."""
_UNKNOWN = np.float32(5000.0)
"""Mean squared error expected of blocks that nobody repaired, or of which the repair says nothing."""
_LEAST = 0.02
_REMEMBERED = 6
"""Reference pictures."""
_NEAREST = np.float32(0.8)
"""Share of a picture that is taken to be predicted from the references next to it; the rest from the others."""


class Promises:
    """For the pictures of one stream, in decode order."""

    def __init__(self, rules: Rules) -> None:
        self._inherits = float(rules.inherits_vectors)
        self._aftermath = Aftermath()
        self._references: deque[tuple[int, _Maps | None]] = deque(maxlen=_REMEMBERED)
        """(place in output order, maps; None: untouched)."""
        self._age = self._damages = 0
        self._spatial = self._copied = self._rim = self._doubt = 0.0
        """Of the latest damaged picture."""
        self._glimpse = Glimpse()
        self._seen = self._glimpse.figures()

    def settled(self, record: Record, key: AccessUnit | MissingPicture | None, buffer: Buffer | None) -> None:
        """A picture was decoded and, where it could be, repaired: set what is promised of it. buffer: where it lies."""
        if record.damage is None:
            return
        au = key if isinstance(key, AccessUnit) else None
        if au is not None:
            self._aftermath.arrives(au)
        damaged = record.damage.any_hole
        if buffer is not None:
            self._glimpse.take(buffer, buffer.layout.bit_depth)
        if not damaged and not self._aftermath.touches(record.order):
            self._age = self._damages = 0
            self._glimpse.forget()
            self._remember(au, record.order, None)
            return
        intra = au is not None and au.kind == "I"
        record.inherited = None if intra else self._inherited(record, record.damage.state.shape)
        if damaged:
            self._age, self._damages = 0, self._damages + 1
            self._note(record.outcome, record.damage)
            if au is None or not au.is_disposable:
                self._aftermath.begins(record.order)
        else:
            self._age += 1
        self._seen = self._glimpse.figures()
        self._remember(au, record.order, self.judge(record, record.damage))

    def made(self, outcome: RepairOutcome | None, damage: DamageMap, pictures: Sequence[Picture]) -> Promise | None:
        """What a picture is worth that was made between others, without their being decoded; the last of `pictures`,
        the one before it among them. None if nobody repaired it."""
        if outcome is None:
            return None
        for picture in pictures[-2:]:
            self._glimpse.take(picture.planes[0], picture.bit_depth)
        self._seen = self._glimpse.figures()
        self._age, self._damages = 0, 1
        self._note(outcome, damage)
        record = Record(0, 0, None, None, "?", outcome=outcome)
        self.judge(record, damage)
        return record.promise

    def judge(self, record: Record, damage: DamageMap) -> _Maps:
        """Set the promise by what is known of the repair now; the maps of `damage`."""
        hole, outcome = damage.hole, record.outcome
        maps = np.zeros((2, *hole.shape), np.float32)
        if outcome is None or outcome.error is None or outcome.error.shape != hole.shape:
            maps[:] = hole * _UNKNOWN
        else:
            maps[0] = outcome.error
            maps[1] = 0.0 if outcome.activity is None else outcome.activity
        own = float(maps[0].mean())
        if record.inherited is not None and record.inherited.shape == maps.shape:
            maps += record.inherited
        record.promise = shipped().promise(np.array(self._figures(record, damage, own, maps)))
        return maps

    def _figures(self, record: Record, damage: DamageMap, own: float, maps: _Maps) -> list[float]:
        error, change = maps
        mean = float(error.mean())
        level = float(np.log10(mean + _LEAST))
        moving = float(np.log10(change.mean() + _LEAST))
        return [
            1.0,
            level,
            level * level,
            moving,
            moving * moving,
            level * moving,
            float(np.log10(np.count_nonzero(error > 1.0) / error.size + 1e-3)),
            own / (mean + _LEAST),
            float(np.log1p(self._age)),
            float(np.log1p(self._damages)),
            self._spatial,
            self._copied,
            float(np.log10(self._rim + 0.5)),
            self._inherits,
            float(record.kind == "B"),
            float(np.count_nonzero(damage.hole)) / damage.state.size,
            self._doubt,
            float(np.log10(error.max() + _LEAST)),
            float(np.log10(change.max() + _LEAST)),
            self._inherits * level,
            self._inherits * moving,
            *self._seen,
        ]

    def _note(self, outcome: RepairOutcome | None, damage: DamageMap) -> None:
        detail = {} if outcome is None else outcome.detail
        self._spatial = detail.get("share_spatial", 0.0)
        self._copied = detail.get("share_copy", 0.0) + detail.get("share_decoder", 0.0)
        self._rim = detail.get("rim_error", 4.0)
        self._doubt = 1.0 - damage.confidence

    def _remember(self, au: AccessUnit | None, order: int, maps: _Maps | None) -> None:
        if au is None or not au.is_disposable:
            self._references.append((order, maps))

    def _inherited(self, record: Record, shape: tuple[int, ...]) -> _Maps | None:
        """What holds of the references of a picture, above all of those next to it."""
        past = [one for one in self._references if one[0] < record.order]
        future = [one for one in self._references if one[0] > record.order] if record.kind == "B" else []
        near = [max(past, key=_order)] if past else []
        near += [min(future, key=_order)] if future else []
        orders = {order for order, _ in near}
        others = [one for one in self._references if one[0] not in orders]
        weighted = [(one, _NEAREST / len(near)) for one in near]
        weighted += [(one, (1 - _NEAREST) / len(others)) for one in others]
        maps = [maps * share for (_, maps), share in weighted if maps is not None and maps.shape[1:] == shape]
        return np.asarray(sum(maps), np.float32) if maps else None


def _order(one: tuple[int, _Maps | None]) -> int:
    return one[0]
