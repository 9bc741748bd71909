"""Vectors in the decoder's memory: found, read back, and what is written there is what later pictures inherit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from concealer.bitstream.hevc.sets import Sps
from concealer.decoder.hook.core import DecoderCore
from concealer.decoder.hook.motion_store import received_vectors, write_vectors
from concealer.decoder.session import ConcealingDecoder
from concealer.picture import Picture
from concealer.repair import Repairer, measured_motion, predicted_motion
from tests.decoder.streams import access_units, drop_slices, stream
from tests.media import clip, encode_bytes
from tests.standins.splicing import parse


def test_what_is_written_is_read_back_and_changes_later_pictures_only() -> None:
    aus = parse(encode_bytes(clip(8, 352, 288), "hevc", crf=20, extra={"ctu": 32}), "hevc")
    payloads = [b"".join(b"\0\0\0\1" + nal.data for nal in au.nals) for au in aus]

    def lumas(disturb: bool) -> list[np.ndarray]:
        core, out = DecoderCore("hevc"), []
        store = core.motion_store
        assert store is not None
        for index, (au, payload) in enumerate(zip(aus, payloads, strict=True)):
            buffer = core.decode(payload, index).buffer
            assert buffer is not None and isinstance(au.sps, Sps)
            if disturb and index == 4:
                field = store.field(buffer, au.sps)
                assert field is not None
                hole = np.zeros((18, 22), np.bool_)
                hole[4:12] = True
                motion = np.full((18, 22, 2), 37, np.int16)
                write_vectors(field, au.sps, 0, motion, hole)
                vectors, known = received_vectors(field, au.sps, 0, np.zeros_like(hole))
                assert (vectors[hole & known] == 37).all() and (hole & known).any()
                assert not (vectors[~hole & known] == 37).all()
            out.append(buffer.planes[0].copy())
        core.close()
        return out

    whole, disturbed = lumas(False), lumas(True)
    assert all(np.array_equal(a, b) for a, b in zip(whole[:5], disturbed[:5], strict=True))
    assert any(not np.array_equal(a, b) for a, b in zip(whole[5:], disturbed[5:], strict=True))


def test_measured_motion_is_that_of_a_shifted_picture() -> None:
    rng = np.random.default_rng(0)
    import cv2

    texture = cv2.GaussianBlur(rng.integers(0, 255, (200, 260)).astype(np.uint8), (0, 0), 2.0)
    reference = Picture((np.ascontiguousarray(texture[20:164, 20:196]),), order=0)
    moved = Picture((np.ascontiguousarray(texture[23:167, 15:191]),), order=1)
    hole = np.zeros((9, 11), np.bool_)
    hole[3:6, 2:9] = True
    nothing, nowhere = np.zeros((9, 11, 2), np.int16), np.zeros((9, 11), np.bool_)
    vectors = measured_motion(moved, hole, reference, nothing, nowhere)
    assert vectors is not None
    assert not vectors[~hole].any()
    assert np.abs(vectors[hole] - np.array([-20, 12])).max() <= 1


@pytest.mark.parametrize("bframes", [0, 3])
def test_motion_is_measured_right_behind_a_reference_and_predicted_farther_away(bframes: int) -> None:
    """And neither for pictures that nothing inherits vectors from."""
    data = stream("hevc", bframes)
    units = access_units(data, "hevc")
    damaged = drop_slices(units, lambda unit, piece: unit > 2 and piece == 1)
    measured: set[tuple[str, int]] = set()
    predicted: set[int] = set()

    def measure(picture: Picture, *rest: Any) -> Any:
        measured.add((picture.kind, picture.order - rest[1].order))
        return measured_motion(picture, *rest)

    def motion(order: int, toward: int, *rest: Any) -> Any:
        predicted.add(order - toward)
        return predicted_motion(order, toward, *rest)

    decoder = ConcealingDecoder("hevc", repair=Repairer(), measure=measure, motion=motion, container_framed=True)
    for payload in damaged.payloads:
        decoder.decode(payload)
    decoder.flush()
    decoder.close()
    assert measured <= {("P", 1)}
    assert bool(measured) == (not bframes)
    assert bool(predicted) == bool(bframes)
