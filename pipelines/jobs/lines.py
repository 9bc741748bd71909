"""What the report says of each picture, where different processes see different stretches of a stream."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from pipelines.jobs.survey import Span
from pipelines.presenting import ShownPicture
from pipelines.report import picture_text
from pipelines.reporting import Album, Comparison, Plate
from pipelines.track import Track

Line = tuple[int | None, str]
"""Number of the payload, None for a picture of which nothing arrived; the picture in JSON."""


class Lines:
    """Of the pictures of one track, in the order in which they are shown, from the first that counts on."""

    def __init__(
        self,
        track: Track,
        offset: int = 0,
        first: int = 0,
        album: Album | None = None,
        comparison: Comparison | None = None,
    ) -> None:
        """offset: number of the payload that the track counts as 0. first: number of the first payload that counts.
        album: for the worst of the pictures themselves, comparison: is shown all of them; the track has no payload yet
        then."""
        self._track, self._offset, self.first, self._album = track, offset, first, album
        self._viewers = [one for one in (album, comparison) if one is not None]
        if self._viewers:
            track.watch()
        self._waiting: list[Line] = []
        self._lines: list[Line] = []

    def picture(self, shown: ShownPicture) -> None:
        """The next picture."""
        self._look(shown)
        text = picture_text(self._track.index, shown.picture, shown.pts, self._track.time_base)
        if shown.picture.tag is None:  # it belongs to what comes behind it
            self._waiting.append((None, text))
            return
        number = shown.picture.tag + self._offset
        if number >= self.first:
            self._lines += [*self._waiting, (number, text)]
        self._waiting.clear()

    def all(self) -> list[Line]:
        """The stretch has ended."""
        self._look()
        ended, self._waiting = self._waiting if self._lines else [], []
        return [*self._lines, *ended]

    @property
    def plates(self) -> list[Plate]:
        """The worst pictures, if there is an album."""
        return [] if self._album is None else self._album.finish()

    def _look(self, shown: ShownPicture | None = None) -> None:
        track = self._track
        if not self._viewers or track.beside is None:
            return
        if shown is not None and self._counts(shown.picture.tag):
            track.beside.expect(shown)
        for one, before in track.beside.ready():
            for viewer in self._viewers:
                viewer.look(track.index, one, before, track.time_base)

    def _counts(self, tag: int | None) -> bool:
        """Whether a picture belongs to the stretch; one of which nothing arrived does if one before it did."""
        return bool(self._lines) if tag is None else tag + self._offset >= self.first


def with_spans(lines: Iterable[Line], spans: Sequence[tuple[Span, Sequence[Line]]]) -> Iterator[str]:
    """Of a whole stream, with what is told of its repaired stretches, which are in order, in place of what was told of
    them before."""
    left = list(spans)
    within = False
    for number, text in lines:
        if number is not None:
            while left and number >= left[0][0].end:
                _, ours = left.pop(0)
                yield from () if within else (one for _, one in ours)
                within = False
            if left and not within and number >= left[0][0].first:
                within = True
                yield from (one for _, one in left[0][1])
        if not within:
            yield text
    if not within:
        for _, ours in left:
            yield from (one for _, one in ours)
