"""Damaged pictures as the product shows them: what it could tell of each, and what it was worth."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from concealer.bitstream import Codec
from concealer.decoder import DecodedPicture
from concealer.front_door import open_decoder
from concealer.loss import Channel, PictureLoss, RtpLoss, SliceLoss, transmit
from concealer.repair import LearntChoice, Repairer
from engines import Options, open_engine
from engines.zoo import open_zoo
from train.video.examples import PICTURES, Take, draw, encoded, frames_of

HIGHEST = 55.0
"""dB; what is better counts as this."""
CODECS: tuple[Codec, ...] = ("h264", "hevc")


@dataclass(frozen=True)
class Way:
    """How a clip is damaged."""

    take: Take
    model: str
    """"slices", "packets" (of one slice a picture), "pictures"."""
    live: bool


def ways(path: Path, number: int) -> Iterator[Way]:
    """All that is made of a clip in a round."""
    for codec in CODECS:
        for model in ("slices", "packets", "pictures"):
            rng = random.Random(f"{path.name}{number}{codec}{model}confidence")
            take = replace(
                draw(rng, codec, model == "packets"),
                rate=rng.choice([0.01, 0.03, 0.06]),
                gop=rng.choice([12, 30, 250]),
            )
            yield Way(take, model, rng.random() < 0.3)


def rows_of(path: Path, way: Way) -> tuple[npt.NDArray[np.float64], int, int]:
    """(pictures, figures and PSNR-Y); pictures that were called untouched, and how many of those were not."""
    take = way.take
    frames = frames_of(path, take.seed)
    if len(frames) < PICTURES // 2:
        return np.empty((0, 0)), 0, 0
    units, clean = encoded(frames, take)
    received, _ = transmit(units, _channel(way))
    decoder = open_decoder(
        take.codec,
        repairer=Repairer(choice=LearntChoice(_network())),
        container_framed=True,
        lookahead=0 if way.live else take.lookahead,
        live=way.live,
    )
    shown: list[DecodedPicture] = []
    for part in received:
        if part.payload:
            shown += decoder.decode(part.payload, pts=part.pts, gaps=part.gaps if take.known else ())
    shown += decoder.flush()
    decoder.close()
    rows, untouched, wrong = [], 0, 0
    for one in shown:
        want = None if one.pts is None else clean.get(one.pts)
        if want is None:
            continue
        error = float(np.square(luma_of(one).astype(np.float32) - want).mean())
        if one.promise is not None:
            rows.append([*one.promise.figures, min(10.0 * np.log10(255.0**2 / max(error, 1e-6)), HIGHEST)])
        elif one.confidence == 1.0:
            untouched, wrong = untouched + 1, wrong + (error > 0)
    return np.array(rows), untouched, wrong


def luma_of(picture: DecodedPicture) -> npt.NDArray[np.uint8]:
    """A view of the picture's luma as it is shown."""
    plane = picture.frame.planes[0]
    rows = np.frombuffer(plane, np.uint8)[: plane.line_size * plane.height]  # type: ignore[call-overload]
    return np.asarray(rows.reshape(plane.height, plane.line_size)[:, : picture.frame.width])


def _channel(way: Way) -> Channel:
    rate, seed = way.take.rate, way.take.seed
    if way.model == "packets":
        return RtpLoss(rate, seed=seed, closed_up=True)
    return SliceLoss(rate, seed=seed) if way.model == "slices" else PictureLoss(rate, seed=seed)


@cache
def _network():  # type: ignore[no-untyped-def]
    return open_engine(open_zoo().model("video-choice"), "auto", Options(buckets=(1, 2, 4), precision="fp32"))
