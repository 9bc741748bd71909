"""PCM without a header: its width, byte order and channels by how smooth it is then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_LEAST = 2048
_SMOOTH = 0.8
"""Mean step between samples of one channel, in units of what samples far apart differ by: noise has 1."""


@dataclass(frozen=True)
class PcmForm:
    """How PCM is laid out."""

    kind: str
    """Four letters of QuickTime: sowt little-endian, twos big-endian, in24 of 24 bits, big-endian."""
    channels: int
    bits: int

    @property
    def block(self) -> int:
        """Bytes of one value of each channel."""
        return self.channels * self.bits // 8


_FORMS = tuple(
    PcmForm(kind, channels, bits) for kind, bits in (("sowt", 16), ("twos", 16), ("in24", 24)) for channels in (2, 1)
)


def pcm_form(pieces: Sequence[bytes]) -> PcmForm | None:
    """The form in which the pieces are smoothest, None if they are in none."""
    scored = []
    for form in _FORMS:
        scores = [_roughness(piece, form) for piece in pieces if len(piece) >= 64 * form.block]
        if scores and sum(map(len, pieces)) >= _LEAST:
            scored.append((float(np.median(scores)), form))
    if not scored:
        return None
    score, form = min(scored, key=lambda one: one[0])
    pair = next(one for one in _FORMS if one.kind == form.kind and one.channels == 2)
    if form.channels == 1 and _is_pair(pieces, pair):
        form = pair
    others = [one for one, other in scored if other.kind != form.kind]
    return form if score < _SMOOTH and score < _SMOOTH * min(others, default=1.0) else None


def _is_pair(pieces: Sequence[bytes], form: PcmForm) -> bool:
    """Two channels that are much alike: the step within a pair of values is another than that to the next pair."""
    within = across = 0.0
    for piece in pieces:
        values = _values(piece, form)
        within += float(np.abs(values[:, 1] - values[:, 0]).sum())
        across += float(np.abs(values[1:, 0] - values[:-1, 1]).sum())
    return not 0.7 < within / max(across, 1.0) < 1.4


def _roughness(piece: bytes, form: PcmForm) -> float:
    values = _values(piece, form)
    steps = np.abs(np.diff(values, axis=0)).mean()
    spread = np.abs(values - np.roll(values, len(values) // 2, axis=0)).mean()
    return float(steps / spread) if spread > 0 else 1.0


def _values(piece: bytes, form: PcmForm) -> npt.NDArray[np.float64]:
    """(samples, channels)."""
    whole = piece[: len(piece) // form.block * form.block]
    if form.bits == 24:
        raw = np.frombuffer(whole, np.uint8).reshape(-1, form.channels, 3).astype(np.int64)
        value = raw[..., 0] << 16 | raw[..., 1] << 8 | raw[..., 2]
        return np.where(value >= 1 << 23, value - (1 << 24), value).astype(np.float64)
    order = "<i2" if form.kind == "sowt" else ">i2"
    return np.frombuffer(whole, order).reshape(-1, form.channels).astype(np.float64)
