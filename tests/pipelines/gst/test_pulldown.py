"""Telecined streams: what picture timing tells of fields is in the flags of the buffers."""

from __future__ import annotations

import pytest

from concealer.bitstream import PicStruct
from tests.bitstream.test_pic_struct import coded, telling
from tests.pipelines.gst.pads import Pads


@pytest.mark.parametrize("name", ["top first", "frames"])
def test_repeated_first_fields_are_flagged(name: str) -> None:
    """Of interlaced frames, and of progressive ones, whose caps then are those of mixed video."""
    from pipelines.gst.bindings import GstVideo

    kinds = GstVideo.VideoBufferFlags
    values = [PicStruct.TOP_BOTTOM_TOP, PicStruct.BOTTOM_TOP, PicStruct.BOTTOM_TOP_BOTTOM, PicStruct.TOP_BOTTOM]
    values += [PicStruct.FRAME, PicStruct.TOP_BOTTOM_TOP]
    with Pads("h264") as pads:
        pads.start()
        for position, payload in enumerate(telling(coded(name), values)):
            pads.push(payload, position)
        pads.end()
        caps = [thing.parse_caps() for thing_name, thing in pads.out if thing_name == "caps"]
        assert {one.get_structure(0).get_string("interlace-mode") for one in caps} == {"mixed"}
        flags = [int(buffer.get_flags()) for buffer in pads.buffers]
    assert [bool(flag & int(kinds.RFF)) for flag in flags] == [value.repeats_first_field for value in values]
    assert [bool(flag & int(kinds.TFF)) for flag in flags][::5] == [True, True] and not flags[2] & int(kinds.TFF)
    assert not any(flag & int(kinds.ONEFIELD) == int(kinds.ONEFIELD) for flag in flags)
