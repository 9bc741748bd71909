"""The network that chooses between candidates, made to forget, and in its place one that is told the truth."""

from __future__ import annotations

import cv2
import numpy as np

from benchmarks.streams import Stream
from concealer.flow import Array
from concealer.repair import (
    SHARPNESS,
    Choice,
    Chosen,
    Question,
    Site,
    choice_inputs,
    own_candidate,
    total_log_weight,
)


class Forgetful:
    """The network with its state cleared at every hole: what its memory is worth."""

    def __init__(self, choice: Choice) -> None:
        self._choice = choice

    @property
    def works(self) -> bool:
        """As the network does."""
        return self._choice.works

    def corrected(self, asked: Question) -> Chosen:
        """As `Choice.corrected`."""
        self._choice.forget()
        return self._choice.corrected(asked)

    def forget(self) -> None:
        """There is nothing to forget."""


class Told:
    """Knows what each candidate errs by, locally: the most that choosing between them can give."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    @property
    def works(self) -> bool:
        """Always."""
        return True

    def corrected(self, asked: Question) -> Chosen:
        """As `Choice.corrected`."""
        site, expected, own = asked.site, asked.expected, asked.own
        pts = site.picture.pts
        if pts is None or not 0 <= pts < len(self._stream.clean):
            return Chosen(expected.errors)
        truth = self._stream.clean[pts][0]
        rows, cols = site.picture.planes[0].shape
        padded = np.pad(truth, ((0, rows - truth.shape[0]), (0, cols - truth.shape[1])), "edge")
        clean = padded[site.region.slices()][site.window.slices()].astype(np.float32) * np.float32(site.gain)
        errors = np.stack([_error(site, c.luma, clean) for c in asked.candidates])
        if own is None:
            return Chosen(errors)
        untold = choice_inputs(asked).errors[-1]
        correction = _error(site, own_candidate(site, own).luma, clean) - untold
        gone = total_log_weight(expected.errors) - total_log_weight(errors)
        return Chosen(errors, gone - np.float32(SHARPNESS) * correction)

    def forget(self) -> None:
        """It remembers nothing."""


def _error(site: Site, luma: Array, clean: Array) -> Array:
    """Logarithm of the mean absolute difference, on the error grid."""
    rows, cols = (-(-side // site.step) for side in luma.shape)
    more = rows * site.step - luma.shape[0], cols * site.step - luma.shape[1]
    difference = np.pad(np.abs(luma - clean), ((0, more[0]), (0, more[1])), "edge").astype(np.float32)
    small = cv2.resize(difference, (cols, rows), interpolation=cv2.INTER_AREA)
    return np.asarray(np.log(small + np.float32(1.0)), np.float32)
