"""When `concealdec` asks upstream for a keyframe."""

from __future__ import annotations

from concealer.decoder import DecodedPicture
from pipelines.gst.options import Options
from pipelines.gst.pace import Pause
from pipelines.statistics import repair_of

_PATIENCE = 5.0
"""Seconds after which a keyframe that was asked for and did not come is asked for again."""
_MISFIT = 1.0
"""Of motion, in units of a spatial fill's: as bad as knowing nothing of the pictures before."""
_RIM_ERROR = 12.0
"""Mean difference of luma, on an 8-bit scale, beyond which anybody sees where the repair ends."""
_LOST_IN_A_ROW = 3
"""Pictures lost whole, one after the other: what is carried on from before them is a guess by then."""


class KeyframeRequests:
    """Decides picture by picture, in output order."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._pause, self._patience = Pause(), Pause()
        self._pending = self._joined = False
        self._lost = 0

    def begin(self) -> None:
        """What comes does not follow what came."""
        self._pending = self._joined = False
        self._lost = 0

    def joins(self) -> bool:
        """Whether to ask because the stream is joined in its middle: once."""
        if self._joined or not self._options.automatic_request_sync_points:
            return False
        self._joined = True
        return self._asks()

    def wanted_for(self, picture: DecodedPicture, shown: bool) -> bool:
        """Whether to ask because of what this picture lacks. shown: it is not held or dropped for it."""
        if picture.lacks_references:
            return self.joins()
        if picture.kind == "I" and not picture.synthesised:
            self._pending = False
        share = self._options.keyframe_request_share
        hole = float(picture.damage.hole.mean()) if picture.damage.any_hole else 0.0
        self._lost = self._lost + 1 if hole == 1.0 else 0
        if not share or not self._options.automatic_request_sync_points:
            return False
        # As long as pictures are held or dropped nothing but a keyframe helps.
        return (not shown or (hole >= share and self._is_poor(picture))) and self._asks()

    def _is_poor(self, picture: DecodedPicture) -> bool:
        outcome = repair_of(picture)
        if outcome is None or outcome.method == "spatial" or self._lost >= _LOST_IN_A_ROW:
            return True
        detail = outcome.detail
        return detail.get("misfit", 0.0) >= _MISFIT or detail.get("rim_error", 0.0) >= _RIM_ERROR

    def _asks(self) -> bool:
        """Unless a keyframe is on its way, or another was asked for just now."""
        if self._pending and not self._patience.is_over(_PATIENCE):
            return False
        if not self._pause.is_over(self._options.min_force_key_unit_interval / 1e9):
            return False
        self._patience.is_over(0.0)
        self._pending = True
        return True
