"""Which way an input is opened by, and what each way promises."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.errors import InputError
from pipelines.reading import Source
from pipelines.reading.connection import Wanted
from pipelines.reading.files import open_file, open_pipe
from pipelines.reading.inputs import find_input
from pipelines.reading.live import open_address, open_described, open_udp


def wanted(name: str, input_format: str | None = None) -> Wanted:
    return Wanted(name, input_format, lambda: False, reconnect=False)


@pytest.mark.parametrize(
    ("name", "input_format", "way"),
    [
        ("-", None, open_pipe),
        ("clip.mp4", None, open_file),
        ("udp", None, open_file),
        ("udp://:5000", None, open_udp),
        ("udp://:5000", "mpegts", open_udp),
        ("udp://:5000", "h264", open_address),
        ("rtp://:5000", None, open_udp),
        ("session.SDP", None, open_described),
        ("rtmp://host/app", None, open_address),
    ],
)
def test_the_table_has_one_way_for_each_input(name: str, input_format: str | None, way: object) -> None:
    found = find_input(wanted(name, input_format))
    assert found.open is way
    assert found.live == (way in (open_udp, open_described, open_address))
    assert found.seekable == (way is open_file)


def test_only_a_transport_stream_is_read_through_a_tap(media: Path) -> None:
    for name, tapped in (("h264.ts", True), ("h264.mp4", False), ("h264.264", False)):
        connection = open_file(wanted(str(media / name)))
        assert (connection.tap is not None) == tapped
        connection.close()
        connection.close()


def test_rewinding_starts_over(media: Path) -> None:
    source = Source(str(media / "h264.mp4"))
    first = [bytes(packet) for packet in source.events(())]
    assert source.progress == pytest.approx(1.0, abs=0.2)
    source.rewind()
    assert source.progress is None
    assert [bytes(packet) for packet in source.events(())] == first
    source.close()


def test_what_is_no_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a directory"):
        Source(str(tmp_path))
    with pytest.raises(InputError, match="No such file"):
        Source(str(tmp_path / "clip.mp4"))
