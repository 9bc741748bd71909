"""The hook writes into another library's memory: what it must not touch, and where it must not start."""

from __future__ import annotations

import ctypes
import importlib
import logging
import os
import pathlib
import threading
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pytest

from concealer.bitstream.nal import Codec, join_annexb
from concealer.decoder import ConcealingDecoder
from concealer.decoder.hook import DecoderCore, HookUnavailableError
from concealer.decoder.hook import proof as proof_module
from concealer.decoder.hook.libav import Libav, libav, read_memory
from tests.decoder.streams import HEIGHT, PICTURES, WIDTH, access_units, drop_slices, stream

libav_module = importlib.import_module("concealer.decoder.hook.libav")
"""The package shows the function of the same name in its place."""


@pytest.fixture
def unproven() -> Iterator[None]:
    """What was proven of the real libav is forgotten before and after."""
    proof_module.prove.cache_clear()
    yield
    proof_module.prove.cache_clear()


def slow_route(codec: Codec, caplog: pytest.LogCaptureFixture) -> None:
    """A decoder must say once that it takes the slow route, and decode all the same."""
    with caplog.at_level(logging.WARNING):
        decoder = ConcealingDecoder(codec, container_framed=True)
    assert not decoder.hooked
    assert "hook not available" in caplog.text
    units = access_units(stream(codec), codec)
    pictures = [p for n, unit in enumerate(units) for p in decoder.decode(join_annexb(unit.nals), pts=n)]
    assert len(pictures + decoder.flush()) == PICTURES
    decoder.close()


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_another_place_of_the_context_is_refused(
    codec: Codec, unproven: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As in another PyAV: the word at that place of its object leads to something else."""
    elsewhere = ctypes.create_string_buffer(4096)
    monkeypatch.setattr(libav().codec, "avcodec_get_class", lambda: ctypes.addressof(elsewhere))
    slow_route(codec, caplog)


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_a_context_without_the_slot_is_refused(
    codec: Codec, unproven: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As in a libav whose AVCodecContext has grown, or which PyAV gave a function of its own."""
    monkeypatch.setattr(libav(), "default_get_buffer2_address", libav().default_get_buffer2_address + 16)
    slow_route(codec, caplog)


@pytest.mark.parametrize("codec", ["h264", "hevc"])
@pytest.mark.parametrize("shift", [8, 32])
def test_another_layout_of_frames_is_refused(
    codec: Codec, shift: int, unproven: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As in a debug build with guards before the members of AVFrame: what is read as one member is another."""
    from concealer.decoder.hook import buffers

    class Moved:
        """Reads the head of AVFrame from where its members would be then."""

        def __init__(self, head: object) -> None:
            self._head = head

        def unpack_from(self, memory: ctypes.Array[ctypes.c_char]) -> tuple[int, ...]:
            values: tuple[int, ...] = REAL.unpack_from(read_memory(ctypes.addressof(memory) + shift, REAL.size))
            return values

    REAL = buffers._HEAD
    monkeypatch.setattr(buffers, "_HEAD", Moved(REAL))
    slow_route(codec, caplog)


def test_two_copies_of_libav_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    maps = "\n".join(f"7f0{n}-7f1{n} r-xp 00000000 08:01 1 /usr/lib{n}/libavcodec.so.62" for n in range(2))
    monkeypatch.setattr(pathlib.Path, "read_text", lambda self: maps)
    with pytest.raises(HookUnavailableError, match="2 copies"):
        Libav()


def test_a_missing_symbol_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Empty:
        def __getattr__(self, name: str) -> object:
            raise AttributeError(name)

    monkeypatch.setattr(libav_module, "_loaded_library", lambda name: Empty())
    with pytest.raises(HookUnavailableError, match="symbol"):
        Libav()


@pytest.mark.parametrize("plane", [0, 1])
def test_a_plane_beyond_its_buffer_is_not_written_to(plane: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The memory that libav says a plane lies in ends a byte too early."""
    real, seen = Libav.plane_memory, []

    def shorter(self: Libav, frame: int, index: int) -> tuple[int, int]:
        address, size = real(self, frame, index)
        if index != plane:
            return address, size
        rows = HEIGHT >> (index > 0)
        seen.append(frame)
        head = (ctypes.c_uint64 * 3).from_address(frame)
        stride = (ctypes.c_int * 3).from_address(frame + 64)[index]
        return address, head[index] - address + stride * rows - 1

    core = DecoderCore("hevc")
    monkeypatch.setattr(Libav, "plane_memory", shorter)
    decoded = core.decode(join_annexb(access_units(stream("hevc"), "hevc")[0].nals), 0)
    assert seen
    assert decoded.buffer is None  # nothing of it is touched
    assert len(decoded.frames + core.flush()) == 1
    core.close()


def hashes(codec: Codec) -> list[npt.NDArray[np.uint8]]:
    """What a decoder makes of a damaged stream: where the damage is, picture by picture."""
    damaged = drop_slices(access_units(stream(codec), codec), lambda u, s: u > 0 and s > 0 and (u + s) % 4 == 0)
    decoder = ConcealingDecoder(codec, container_framed=True)
    assert decoder.hooked
    pictures = [p for n, payload in enumerate(damaged.payloads) for p in decoder.decode(payload, pts=n)]
    states = [p.damage.state.copy() for p in pictures + decoder.flush()]
    decoder.close()
    return states


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_decoders_in_several_threads_do_not_disturb_each_other(codec: Codec) -> None:
    alone = hashes(codec)
    assert any(state.any() for state in alone)
    beside: list[list[npt.NDArray[np.uint8]]] = []
    threads = [threading.Thread(target=lambda: beside.append(hashes(codec))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(beside) == len(threads)
    for states in beside:
        np.testing.assert_array_equal(np.array(states), np.array(alone))


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_a_decoder_goes_on_in_a_forked_child(codec: Codec) -> None:
    """With what it reads of libav's memory read in the child, not in the parent, whose decoder stands still."""
    damaged = drop_slices(access_units(stream(codec), codec), lambda u, s: u > 0 and s > 0 and (u + s) % 4 == 0)
    half = len(damaged.payloads) // 2
    decoder = ConcealingDecoder(codec, container_framed=True)

    def states(first: int, end: int) -> list[npt.NDArray[np.uint8]]:
        out = [p for n in range(first, end) for p in decoder.decode(damaged.payloads[n], pts=n)]
        return [p.damage.state.copy() for p in (out if end < len(damaged.payloads) else out + decoder.flush())]

    states(0, half)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:  # pragma: no cover - in another process
        os.close(read)
        status = 1
        try:
            os.write(write, np.array(states(half, len(damaged.payloads))).tobytes())
            status = 0
        finally:
            os._exit(status)
    os.close(write)
    told = b""
    while part := os.read(read, 1 << 16):
        told += part
    os.close(read)
    assert os.waitpid(child, 0)[1] == 0
    here = np.array(states(half, len(damaged.payloads)))
    assert here.any()
    assert told == here.tobytes()
    decoder.close()


def test_memory_is_read_in_the_child_itself() -> None:
    cell = ctypes.c_uint64(1)
    assert read_memory(ctypes.addressof(cell), 8) == b"\x01" + bytes(7)
    child = os.fork()
    if child == 0:  # pragma: no cover - in another process
        cell.value = 2
        os._exit(0 if read_memory(ctypes.addressof(cell), 1) == b"\x02" else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_small_pictures_are_seen_as_they_are() -> None:
    for codec in ("h264", "hevc"):
        proof_module.prove(codec)
    assert WIDTH % 16 == 0
