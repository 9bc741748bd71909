"""The damage of a picture just decoded: what the parser knows and what the decoder showed, on one map."""

from __future__ import annotations

from concealer.bitstream import AccessUnit
from concealer.damage import BLOCK, Damage, DamageMap
from concealer.decoder.extent import mark_known_losses, mark_slices
from concealer.decoder.hook import Decoded
from concealer.decoder.prepare import Prepared
from concealer.decoder.rules import Rules


def mark_known(
    damage: DamageMap,
    au: AccessUnit,
    prepared: Prepared,
    decoded: Decoded,
    rules: Rules,
    previous: AccessUnit | None,
    all_arrived: bool,
) -> None:
    """Mark all that the parser and the decoder tell of the picture of `au`.

    previous: the access unit before. all_arrived: its slices started where those of `au` do, so none is missing.
    """
    # Without its IDR picture the decoder may not have taken over a new size yet: the parser's map does not fit.
    if (-(-au.width // BLOCK), -(-au.height // BLOCK)) != damage.state.shape[::-1]:
        damage.mark(damage.state >= 0, Damage.BROKEN, "picture size not decoded yet")
    elif prepared.nals is not au.nals or decoded.errors is not None:
        mark_known_losses(damage, au)
        mark_slices(damage, au, prepared.orphans, "slice unusable")
        if decoded.errors is not None:
            rules.mark_errors(damage, au, decoded.errors, previous, all_arrived)


def no_slice_is_missing(au: AccessUnit, previous: AccessUnit | None) -> bool:
    """Whether of a progressive picture every slice arrived, however wrong those are that came."""
    coverage = au.coverage
    if au.interlaced != "progressive" or not coverage.reliable or coverage.lost.any():
        return False
    return all(s.header is not None for s in au.slices) and (len(au.slices) == 1 or same_starts(au, previous))


def same_starts(au: AccessUnit, previous: AccessUnit | None) -> bool:
    """Whether the slices of `au` start where those of the access unit before it do."""
    return previous is not None and [s.first for s in previous.slices] == [s.first for s in au.slices]
