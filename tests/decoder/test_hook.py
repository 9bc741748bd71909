"""Buffers, sentinel and error status of the hooked decoder."""

import av
import numpy as np
import pytest

from concealer.bitstream.nal import Codec, join_annexb
from concealer.decoder.hook.buffers import Buffer, BufferHook
from concealer.decoder.hook.core import DecoderCore, PlainCore
from concealer.decoder.hook.libav import HookUnavailableError, libav, read_memory
from tests.decoder.streams import HEIGHT, PICTURES, WIDTH, access_units, drop_slices, stream


def test_structures_are_where_the_hook_expects_them() -> None:
    context = av.CodecContext.create("h264", "r")
    pointer = libav().context_pointer(context)
    assert pointer < libav().get_buffer2_slot(pointer) < pointer + 1200


def test_every_context_has_its_slot_at_the_same_place() -> None:
    """Also where the memory behind a context still holds an older one."""
    places = set()
    for _ in range(300):
        contexts = [av.CodecContext.create("h264", "r") for _ in range(3)]
        pointers = [libav().context_pointer(context) for context in contexts]
        places |= {libav().get_buffer2_slot(pointer) - pointer for pointer in pointers}
    assert len(places) == 1


def test_wrong_object_is_refused() -> None:
    with pytest.raises(HookUnavailableError):
        libav().context_pointer(object())  # type: ignore[arg-type]


def test_unmapped_memory_reads_as_nothing() -> None:
    assert read_memory(0, 16) == b""
    assert read_memory(2**63, 16) == b""


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_one_buffer_a_picture_and_writing_reaches_the_output(codec: Codec) -> None:
    core = DecoderCore(codec)
    frames = []
    for tag, unit in enumerate(access_units(stream(codec), codec)):
        decoded = core.decode(join_annexb(unit.nals), tag)
        assert decoded.buffer is not None
        assert decoded.buffer.planes[0].shape == (HEIGHT, WIDTH)
        if tag == 5:
            decoded.buffer.planes[0][:16, :16] = 77
        frames += decoded.frames
    frames += core.flush()
    core.close()
    assert [frame.pts for frame in frames] == list(range(PICTURES))
    assert (frames[5].to_ndarray()[:16, :16] == 77).all()


def test_editing_a_reference_changes_what_is_predicted_from_it() -> None:
    units = access_units(stream("h264"), "h264")
    changed = []
    for paint in (False, True):
        core = DecoderCore("h264")
        for tag, unit in enumerate(units):
            decoded = core.decode(join_annexb(unit.nals), tag)
            assert decoded.buffer is not None
            if paint and tag == 3:
                decoded.buffer.planes[0][:] = 255 - decoded.buffer.planes[0]
            last = decoded.buffer.planes[0].copy()
        changed.append(last)
    assert np.abs(changed[0].astype(int) - changed[1]).mean() > 20


@pytest.mark.parametrize("bframes", [0, 3])
def test_hevc_sentinel_finds_dropped_slices_exactly(bframes: int) -> None:
    units = access_units(stream("hevc", bframes), "hevc")
    damaged = drop_slices(units, lambda u, s: u > 0 and s > 0 and (u + s) % 4 == 0)
    core = DecoderCore("hevc")
    assert len(damaged.truth) > 5
    for tag, (unit, payload) in enumerate(zip(units, damaged.payloads, strict=True)):
        decoded = core.decode(payload, tag)
        truth = damaged.truth.get(unit.order)
        assert (decoded.errors is None) == (truth is None)
        assert not decoded.filled
        if decoded.errors is not None:
            np.testing.assert_array_equal(decoded.errors.missing, truth)


@pytest.mark.parametrize("extra", [{}, {"cabac": 0}, {"slice-max-size": 120, "slices": 1}])
@pytest.mark.parametrize("bframes", [0, 3])
def test_h264_status_finds_dropped_slices_exactly(bframes: int, extra: dict[str, int]) -> None:
    units = access_units(stream("h264", bframes, **extra), "h264")
    damaged = drop_slices(units, lambda u, s: u > 0 and (u + s) % 4 == 0 and len(units[u].slices) > 1)
    core = DecoderCore("h264")
    assert len(damaged.truth) >= 2
    for tag, (unit, payload) in enumerate(zip(units, damaged.payloads, strict=True)):
        errors = core.decode(payload, tag).errors if payload else None
        truth = damaged.truth.get(unit.order)
        assert (errors is None) == (truth is None)
        if errors is not None:
            np.testing.assert_array_equal(errors.missing, truth)
            assert not errors.broken.any()


def test_h264_status_tells_a_cut_slice_from_a_lost_one() -> None:
    units = access_units(stream("h264"), "h264")
    core = DecoderCore("h264")
    for tag, unit in enumerate(units):
        nals = list(unit.nals)
        if tag == 6:
            place = next(i for i, nal in enumerate(nals) if nal is unit.slices[2].nal)
            nals[place] = type(nals[place])(nals[place].data[: len(nals[place].data) // 2])
        errors = core.decode(join_annexb(nals), tag).errors
        if tag == 6:
            assert errors is not None
            assert errors.broken.any()
            first, end = units[6].slices[2].first, units[6].slices[3].first
            hit = np.flatnonzero((errors.broken | errors.missing).ravel())
            assert first <= hit[0] and hit[-1] == end - 1
        else:
            assert errors is None


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le"])
@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_layouts(codec: Codec, pix_fmt: str) -> None:
    core = DecoderCore(codec)
    unit = access_units(stream(codec, 0, pix_fmt), codec)[0]
    decoded = core.decode(join_annexb(unit.nals), 0)
    frame = (decoded.frames + core.flush())[0]
    assert decoded.buffer is not None
    assert frame.format.name == pix_fmt
    shift_x, shift_y = {"0": (1, 1), "2": (1, 0), "4": (0, 0)}[pix_fmt[5]]
    assert decoded.buffer.planes[1].shape == (HEIGHT >> shift_y, WIDTH >> shift_x)
    assert decoded.buffer.planes[0].max() < 1 << decoded.buffer.layout.bit_depth
    own = frame.to_ndarray()[:HEIGHT].reshape(-1)[: HEIGHT * WIDTH] if pix_fmt != "yuv444p" else None
    if own is not None:
        np.testing.assert_array_equal(decoded.buffer.planes[0].ravel(), own)


def test_released_buffer_gives_its_views_up() -> None:
    context = av.CodecContext.create("h264", "r")
    hook = BufferHook(context, None)
    context.decode(av.Packet(join_annexb(access_units(stream("h264"), "h264")[0].nals)))
    buffer: Buffer = hook.take()[0]
    buffer.release()
    assert buffer.planes == ()
    buffer.release()
    hook.remove()


def test_plain_core_decodes_the_same() -> None:
    units = access_units(stream("h264", 3), "h264")
    results = []
    for core in (DecoderCore("h264"), PlainCore("h264")):
        frames = [f for tag, u in enumerate(units) for f in core.decode(join_annexb(u.nals), tag).frames]
        frames += core.flush()
        core.close()
        results.append([frame.to_ndarray() for frame in frames])
    assert len(results[0]) == len(results[1]) == PICTURES
    for a, b in zip(*results, strict=True):
        np.testing.assert_array_equal(a, b)
