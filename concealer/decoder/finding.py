"""The damage of a picture just decoded: what the parser knows and what the decoder showed, on one map."""

from __future__ import annotations

from concealer.bitstream import AccessUnit
from concealer.damage import BLOCK, Damage, DamageMap
from concealer.decoder.extent import mark_known_losses, mark_slices, places
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
        damage.places = places(au, damage)
        mark_known_losses(damage, au)
        mark_slices(damage, au, prepared.orphans, "slice unusable")
        if decoded.errors is not None:
            rules.mark_errors(damage, au, decoded.errors, previous, all_arrived)


def is_one_slice(au: AccessUnit) -> bool:
    """Whether a progressive picture arrived as one slice, however wrong: what it failed in was then never decoded.

    Of several a corrupt one may have run on into the next, which mended that; only the decoder's own status tells.
    """
    coverage = au.coverage
    if au.interlaced != "progressive" or not coverage.reliable or coverage.lost.any():
        return False
    return len(au.slices) == 1 and au.slices[0].header is not None


def same_starts(au: AccessUnit, previous: AccessUnit | None) -> bool:
    """Whether the slices of `au` start where those of the access unit before it do."""
    return previous is not None and [s.first for s in previous.slices] == [s.first for s in au.slices]
