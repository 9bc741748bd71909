"""The report: one JSON object per picture, written as the pictures come, and the totals."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, TextIO

from concealer.damage import Damage
from pipelines.errors import OutputError, one_line
from pipelines.writing import Draft

if TYPE_CHECKING:
    from concealer.decoder import DecodedPicture

SCHEMA = "concealer-report/1"


@dataclass
class Totals:
    """Counts over pictures."""

    pictures: int = 0
    """Pictures that came out of the decoder, synthesised ones among them."""
    damaged: int = 0
    """Pictures with lost or broken blocks, or with nothing received at all."""
    tainted: int = 0
    """Pictures without a hole of their own that were predicted from damage."""
    without_references: int = 0
    """Pictures that lack what they are predicted from, because it lies before the stream's start."""
    repaired: int = 0
    """Damaged pictures whose hole was painted; those left as the decoder concealed them do not count."""
    synthesised: int = 0
    """Pictures of which the stream held nothing."""
    misplaced: int = 0
    """Pictures whose access unit came one place too early or too late."""
    unreadable_sets: int = 0
    """Parameter sets that arrived damaged, and were left out as those before hold on."""
    retimed: int = 0
    """Pictures whose time was wrong and put right."""
    held: int = 0
    """Pictures in whose place an earlier one was shown."""
    dropped: int = 0
    """Pictures left out because of their damage, or of what they lack."""
    hidden: int = 0
    """Pictures outside the edit list: decoded, not shown."""
    lost_blocks: int = 0
    """16x16 blocks that never arrived."""
    broken_blocks: int = 0
    """16x16 blocks that arrived corrupt."""
    tainted_blocks: int = 0
    """16x16 blocks predicted from damage."""
    saved_blocks: int = 0
    """16x16 blocks sent behind damage in the same picture that were decoded as they were sent."""
    causes: dict[str, int] = field(default_factory=dict)
    """Damaged pictures per cause."""
    methods: dict[str, int] = field(default_factory=dict)
    """Damaged pictures per repair method."""
    repair_milliseconds: float = 0.0
    """Time spent in repair."""

    def add(self, picture: DecodedPicture) -> None:
        damage, outcome = picture.damage, picture.outcome
        self.pictures += 1
        if not picture.synthesised and not damage.any_damage:
            return
        damaged = is_damaged(picture)
        self.damaged += damaged
        self.synthesised += picture.synthesised
        self.without_references += picture.lacks_references
        lost, broken, tainted = (damage.count(d) for d in (Damage.LOST, Damage.BROKEN, Damage.TAINTED))
        self.lost_blocks += lost
        self.broken_blocks += broken
        self.tainted_blocks += tainted
        self.saved_blocks += damage.saved
        self.tainted += bool(tainted and not damaged)
        if not damaged:
            return
        for cause in damage.causes:
            self.causes[cause] = self.causes.get(cause, 0) + 1
        if outcome is not None:
            self.repaired += outcome.method not in ("none", "decoder")
            self.methods[outcome.method] = self.methods.get(outcome.method, 0) + 1
            self.repair_milliseconds += outcome.milliseconds

    def merge(self, other: Totals) -> None:
        """Add the counts of another stream."""
        for key, value in asdict(other).items():
            mine = getattr(self, key)
            if isinstance(mine, dict):
                for name, count in value.items():
                    mine[name] = mine.get(name, 0) + count
            else:
                setattr(self, key, mine + value)


def is_damaged(picture: DecodedPicture) -> bool:
    """The picture has a hole, or nothing of it was received."""
    return picture.synthesised or picture.damage.any_hole


def picture_text(stream: int, picture: DecodedPicture, pts: int | None, time_base: Fraction) -> str:
    """What the report says of one picture of `stream`, shown at `pts` ticks of `time_base`; None if it is not shown."""
    damage, outcome = picture.damage, picture.outcome
    entry: dict[str, object] = {
        "stream": stream,
        "pts": pts,
        "time": None if pts is None else round(float(pts * time_base), 6),
        "type": picture.kind,
    }
    lost, broken, tainted = (damage.count(d) for d in (Damage.LOST, Damage.BROKEN, Damage.TAINTED))
    if lost or broken or tainted or damage.causes or picture.synthesised:
        entry["blocks"] = {
            "lost": lost,
            "broken": broken,
            "tainted": tainted,
            "saved": damage.saved,
            "all": damage.blocks,
        }
        entry["causes"] = list(damage.causes)
        entry["extent_confidence"] = round(damage.confidence, 3)
        entry["in_loop"] = picture.in_loop
    if picture.confidence < 1.0:
        entry["confidence"] = round(picture.confidence, 3)
    if picture.promise is not None:
        entry["expected_psnr"] = round(picture.promise.expected_psnr, 1)
    if picture.repeated:
        entry["held"] = True
    if picture.frame.interlaced_frame:
        entry["interlaced"] = "bottom field first" if picture.bottom_first else "top field first"
    if picture.pic_struct is not None and picture.pic_struct.repeats_first_field:
        entry["first_field_repeated"] = True
    if picture.synthesised:
        entry["synthesised"] = True
    if outcome is not None and outcome.method != "none":
        entry["method"] = outcome.method
        entry["milliseconds"] = round(outcome.milliseconds, 2)
        if outcome.detail:
            entry["detail"] = {key: round(value, 4) for key, value in outcome.detail.items()}
    return json.dumps(entry)


class Report:
    """Writes the report beside its name and renames it when it is complete. Schema: docs/report.md."""

    def __init__(self, target: str, head: Mapping[str, object]) -> None:
        """Raises OutputError if the file cannot be created."""
        self._target = target
        self._draft = Draft(target)
        self._file: TextIO = open(self._draft.path, "w", encoding="utf-8")  # noqa: SIM115
        self._first = True
        opening = json.dumps({"schema": SCHEMA, **head}, indent=1)
        self._write(opening.removesuffix("\n}") + ',\n "pictures": [')

    def _write(self, text: str) -> None:
        try:
            self._file.write(text)
        except OSError as error:
            raise OutputError(f"{self._target}: {one_line(error)}") from error

    def add(self, text: str) -> None:
        """One picture, as `picture_text` tells of it."""
        self._write(("\n  " if self._first else ",\n  ") + text)
        self._first = False

    def finish(self, totals: Mapping[str, object], spliced: Iterable[Mapping[str, object]] = ()) -> None:
        """Write the totals and give the report its name. Raises OutputError.

        `spliced`: what was done to the access units that splicing changed.
        """
        body = json.dumps({"totals": totals}, indent=1)[1:]
        changes = ",\n  ".join(map(json.dumps, spliced))
        middle = f'\n ],\n "spliced": [\n  {changes}\n ],' if changes else "\n ],"
        try:
            self._write(middle + body + "\n")
            self._file.close()
            self._draft.commit()
        except OSError as error:
            self.abort()
            raise OutputError(f"{self._target}: {one_line(error)}") from error

    def abort(self) -> None:
        """Forget the report."""
        with contextlib.suppress(OSError):
            self._file.close()
        self._draft.discard()
