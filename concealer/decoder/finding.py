"""The damage of a picture just decoded: what the parser knows and what the decoder showed, on one map."""

from __future__ import annotations

from concealer.bitstream import AccessUnit
from concealer.damage import BLOCK, Damage, DamageMap
from concealer.decoder.extent import mark_known_losses, mark_slices, places
from concealer.decoder.hook import Decoded
from concealer.decoder.prepare import Prepared
from concealer.decoder.roots import NO_REFERENCES, Roots
from concealer.decoder.rules import Rules
from concealer.decoder.work import Work


def known_damage(
    work: Work, roots: Roots, rules: Rules, previous: AccessUnit | None, last_size: tuple[int, int]
) -> DamageMap:
    """The map of what parser and decoder tell of a picture.

    roots: told of the access unit here. previous: the access unit before. last_size: (width, height) of the picture
    before it.
    """
    au, buffer = work.received, work.decoded.buffer
    if buffer is not None:
        width, height = buffer.width, buffer.height
    else:
        width, height = (au.width, au.height) if au is not None and au.width else last_size
    damage = DamageMap(width, height)
    if au is not None:
        roots.arrives(au)
    if roots.lacks(work.record.order):
        work.record.leading = roots.found
        damage.mark(damage.state >= 0, Damage.TAINTED, NO_REFERENCES)
    if au is None or work.prepared is None:
        damage.mark(damage.state >= 0, Damage.LOST, "picture lost")
    else:
        mark_known(damage, au, work.prepared, work.decoded, rules, previous, same_starts(au, previous))
    return damage


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
    if (-(-au.height // BLOCK), -(-au.width // BLOCK)) != damage.shape:
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
