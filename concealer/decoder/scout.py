"""The decoder that runs ahead of the main one, so that repair sees what follows a hole.

The main decoder cannot look ahead itself, because its reference pictures are repaired in line. In its own holes the
scout is content with the decoder's concealment (0.1 dB less than a repair would give, at none of its cost); where the
decoder has none, their luma is repaired without knowing what follows, by a painter of the scout's own: a repair that
remembers from picture to picture must see every picture once. Once the main decoder has repaired a picture, the scout
gets its samples and vectors.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

from concealer.bitstream import AccessUnit, Codec, MissingPicture, join_annexb
from concealer.damage import Damage, DamageMap
from concealer.decoder.extent import mark_slices
from concealer.decoder.finding import mark_known
from concealer.decoder.follower import Follower
from concealer.decoder.history import History
from concealer.decoder.hook import Buffer, Decoded, Field
from concealer.decoder.lost_pictures import decode_stand_in
from concealer.decoder.painting import Painter
from concealer.decoder.prepare import Prepared, prepare
from concealer.decoder.rules import Rules
from concealer.decoder.turn import Held, Key, Turn
from concealer.outlook import Ahead, Outlook, ReceivedMotion
from concealer.picture import Picture

MOST_AHEAD = 32
"""Longest look-ahead, in access units."""
REFERENCES = 5
"""Decoded pictures offered to repair: two on either side would do, B-pyramids interleave more."""
_SEED = 2


@dataclass
class _Seen:
    """One picture of the scout that the main decoder has not come to yet."""

    key: Key
    order: int
    buffer: Buffer
    received: ReceivedMotion | None


class Scout:
    """A follower that decodes the access units still waiting for the main decoder."""

    def __init__(
        self,
        codec: Codec,
        rules: Rules,
        painter: Painter,
        history: History,
        previous: AccessUnit | None,
        references: Sequence[Held],
    ) -> None:
        """Decode `history` once more. previous: its last access unit. references: the pictures it ends with."""
        self._rules = rules
        self._painter = painter
        self._follower = Follower(codec, _SEED, history)
        self._reader = self._follower.core.open_reader()
        luma = (Held(replace(one.picture, planes=one.picture.planes[:1]), one.buffer) for one in references)
        self._references: deque[Held] = deque(luma, maxlen=REFERENCES)
        self._previous = previous
        self._seen: deque[_Seen] = deque()
        self._decoded: deque[AccessUnit] = deque(maxlen=MOST_AHEAD + 1)

    def keep_step(self, key: Key, au: AccessUnit, buffer: Buffer, vectors: Field | None) -> None:
        """Come to where the main decoder is, at the picture of `key` in or before `au`, and take that over."""
        if not (key is au and au.is_disposable and not au.missing_before):
            self.decode(au, ahead=False)
        self.follow(key, buffer, vectors)

    def decode(self, au: AccessUnit, *, late: bool = False, ahead: bool = True) -> None:
        """Decode `au` unless that is done already, and have its holes repaired.

        late: pictures missing before it were decoded before. ahead: somebody will look at it.
        """
        if any(done is au for done in self._decoded):
            return
        self._decoded.append(au)
        for missing in () if late else au.missing_before:
            latest = self._references[-1].buffer if self._references else None
            stand_in = decode_stand_in(self._follower.core, self._previous, missing, latest, 0)
            if stand_in is not None:
                self._keep(missing, stand_in[1])
        prepared = prepare(au, self._rules)
        if not prepared.slices:
            return
        self._keep(au, self._follower.decode(join_annexb(prepared.nals)), prepared, ahead)
        self._previous = au

    def outlook(self, key: Key) -> Outlook | None:
        """The picture of `key` and those decoded behind it; None if either is missing."""
        places = [place for place, seen in enumerate(self._seen) if seen.key is key]
        if not places:
            return None
        now = _picture(self._seen[places[0]])
        later = [seen for place, seen in enumerate(self._seen) if place > places[0]]
        alike = [seen for seen in later if seen.buffer.planes[0].shape == now.planes[0].shape]
        if not alike:
            return None
        ahead = (Ahead(_picture(seen), seen.received) for seen in alike)
        return Outlook(now, tuple(ahead), inherited=self._rules.inherits_vectors)

    def follow(self, key: Key, buffer: Buffer, vectors: Field | None) -> None:
        """Take over the main decoder's picture of `key`; what was seen before it is done with."""
        if not any(seen.key is key for seen in self._seen):
            return
        while True:
            seen = self._seen.popleft()
            if seen.key is key:
                break
        self._follower.take_over(seen.buffer, buffer, vectors)

    def close(self) -> None:
        """Free the decoder."""
        self._seen.clear()
        self._references.clear()
        self._follower.close()

    def _keep(self, key: Key, decoded: Decoded, prepared: Prepared | None = None, ahead: bool = True) -> None:
        buffer = decoded.buffer
        if buffer is None:
            return
        # Luma alone is repaired: motion shows in it.
        picture = Picture(buffer.planes[:1], buffer.layout.bit_depth, order=key.order, concealed=decoded.filled)
        if isinstance(key, AccessUnit):
            picture.kind, picture.pts = key.kind, key.pts
        damage = self._damage(key, picture, decoded, prepared)
        held = Held(picture, buffer)
        if damage.any_hole:
            turn = Turn(key, self._previous, held, damage, tuple(self._references), decoded.errors)
            if not decoded.filled:
                self._painter.paint(picture, damage, turn.reference_pictures)
            self._painter.teach(self._follower.core.motion_store, turn)
        self._references.append(held)
        self._seen.append(_Seen(key, key.order, buffer, self._received(key, buffer, ahead)))

    def _damage(self, key: Key, picture: Picture, decoded: Decoded, prepared: Prepared | None) -> DamageMap:
        damage = DamageMap(picture.width, picture.height)
        if isinstance(key, MissingPicture) or prepared is None:
            damage.mark(damage.state >= 0, Damage.LOST)
        else:
            mark_known(damage, key, prepared, decoded, self._rules, self._previous, all_arrived=False)
            mark_slices(damage, key, (piece for piece in key.slices if piece.nal.damaged_at is not None), "")
        return damage

    def _received(self, key: Key, buffer: Buffer, ahead: bool) -> ReceivedMotion | None:
        if self._reader is None:
            return None
        if isinstance(key, MissingPicture):
            self._reader.stood_in(key)
        elif ahead:
            return self._reader.read(buffer, key)
        else:
            self._reader.pass_over(key)
        return None


def _picture(seen: _Seen) -> Picture:
    return Picture(seen.buffer.planes, seen.buffer.layout.bit_depth, order=seen.order)
