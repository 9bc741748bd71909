"""What a run over one file did."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Literal

from pipelines.jobs.splice_totals import SpliceTotals
from pipelines.report import Totals
from pipelines.salvage import Salvaged
from pipelines.writing import Account

_STILLS = ("mjpeg", "png", "bmp", "gif")
"""Covers, which are streams of one picture."""

Action = Literal["repaired", "spliced", "encoded", "copied", "analysed"]


@dataclass
class Kept:
    """How much of the damaged video streams stayed as it was, where only what is damaged changes."""

    route: Literal["splice", "gop"]
    """"splice": slices of ours in the gaps; "gop": groups of pictures encoded anew."""
    bytes_kept: int = 0
    """Of payloads that were copied."""
    bytes_new: int = 0
    """Of pictures encoded anew."""
    groups_encoded: int = 0
    pictures_encoded: int = 0

    def merge(self, other: Kept) -> None:
        """Add the counts of another stream."""
        self.bytes_kept += other.bytes_kept
        self.bytes_new += other.bytes_new
        self.groups_encoded += other.groups_encoded
        self.pictures_encoded += other.pictures_encoded


@dataclass
class ConcealResult:
    """What was done to a file."""

    input: str
    output: str | None
    action: Action
    """"repaired": damage was found and repaired; "spliced": the same without encoding; "encoded": none found,
    encoded all the same; "copied": none found, every packet copied; "analysed": dry run."""
    totals: Totals
    """Over all repaired video streams."""
    streams: dict[int, Totals] = field(default_factory=dict)
    """The same for each video stream, by its index."""
    dropped: list[str] = field(default_factory=list)
    """Streams that the output's container could not hold."""
    accounts: list[Account] = field(default_factory=list)
    """Each written stream: what the container was given, and what is read back from it."""
    ended_early: str | None = None
    """Why reading stopped before the input's end, if it did."""
    unread: int = 0
    """Bytes of the input that were passed over, damaged or of no stream that can be read."""
    losses: int = 0
    """Places at which packets of a transport stream are missing, over all its streams."""
    salvaged: Salvaged | None = None
    """What was found in a file without index, by which it was read."""
    splice: SpliceTotals | None = None
    """What splicing took out and put in, over all spliced streams."""
    kept: Kept | None = None
    """How much stayed, where not everything was encoded, and not everything copied."""
    interrupted: bool = False
    """Stopped by the user: the output holds what was done until then."""
    seconds: float = 0.0

    @property
    def video_exact(self) -> bool:
        """Every slice of the video was read back from the output as it was."""
        video = [one for one in self.accounts if one.kind == "video"]
        return bool(video) and self._read_whole and all(_is_whole(one) for one in video)

    @property
    def exact(self) -> bool:
        """Every packet of the input was read back from the output as it was."""
        whole = self._read_whole and bool(self.accounts) and not self.dropped and not self.totals.retimed
        return whole and all(map(_is_whole, self.accounts))

    @property
    def _read_whole(self) -> bool:
        return not self.unread and self.ended_early is None

    @property
    def pictures(self) -> int:
        """Pictures that came out, one for every access unit that went in or is known to be missing."""
        return self.totals.pictures

    @property
    def pictures_written(self) -> int:
        """Pictures in the output; fewer where the run was interrupted."""
        return sum(one.given.packets for one in self.accounts if one.kind == "video" and one.codec not in _STILLS)

    @property
    def damaged_pictures(self) -> int:
        """Pictures with lost or broken blocks."""
        return self.totals.damaged

    def as_dict(self) -> dict[str, object]:
        """All of it in JSON's types."""
        return {
            "schema": "concealer-result/1",
            **asdict(replace(self, accounts=[], salvaged=None)),
            "salvaged": None if self.salvaged is None else self.salvaged.as_dict(),
            "accounts": [one.as_dict() for one in self.accounts],
            "exact": self.exact,
            "seconds": round(self.seconds, 3),
        }


def _is_whole(one: Account) -> bool:
    return one.exact and not (one.missing or one.moved or one.revealed)
