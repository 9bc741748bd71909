from collections.abc import Callable
from functools import cache

import numpy as np
import pytest

from concealer.bitstream import AccessUnit, StreamParser, nal_type, split_annexb
from concealer.loss import (
    BitFlips,
    ByteRemoval,
    Channel,
    DamageRecord,
    PictureLoss,
    Received,
    RtpLoss,
    SliceLoss,
    ZeroRuns,
    transmit,
)
from concealer.loss.models import fragment_bounds
from tests.media import Codec, clip, encode_bytes

CHANNELS: dict[str, Callable[[int], Channel]] = {
    "slice": lambda seed: SliceLoss(0.15, seed=seed),
    "slice bursts": lambda seed: SliceLoss(0.2, seed=seed, burst=4),
    "picture": lambda seed: PictureLoss(0.2, seed=seed, burst=2),
    "rtp": lambda seed: RtpLoss(0.1, seed=seed, mtu=200),
    "bytes": lambda seed: ByteRemoval(5, 0.4, 80, seed=seed),
    "flips": lambda seed: BitFlips(2e-3, seed=seed),
    "zeros": lambda seed: ZeroRuns(0.2, seed=seed),
}


@cache
def _stream(codec: Codec) -> tuple[AccessUnit, ...]:
    data = encode_bytes(clip(40, 208, 160), codec, slices=2, bframes=2, gop=16)
    parser = StreamParser(codec)
    return tuple(parser.push(data) + parser.flush())


def _send(codec: Codec, name: str, seed: int = 1) -> tuple[list[Received], DamageRecord]:
    return transmit(_stream(codec), CHANNELS[name](seed))


def _apply(data: bytes, removed: list[tuple[int, int]], flipped: list[tuple[int, int]]) -> bytes:
    """What the record says has become of a NAL unit."""
    left = bytearray(data)
    for offset, mask in flipped:
        left[offset] ^= mask
    for offset, count in reversed(removed):
        del left[offset : offset + count]
    return bytes(left)


@pytest.mark.parametrize("codec", ["h264", "hevc"])
@pytest.mark.parametrize("name", [name for name in CHANNELS if name != "zeros"])
def test_record_is_what_a_comparison_finds(codec: Codec, name: str) -> None:
    units = _stream(codec)
    received, record = _send(codec, name)
    assert record.access_units == len(units) == len(received) == 40
    assert record.slices == sum(len(unit.slices) for unit in units)
    assert record.damaged, "the channel must have done something"
    entries = {unit.index: unit for unit in record.damaged}
    for index, (unit, arrived) in enumerate(zip(units, received, strict=True)):
        expected = []
        changes = {nal.nal: nal for nal in entries[index].nals} if index in entries else {}
        for number, nal in enumerate(unit.nals):
            change = changes.get(number)
            assert change is None or (change.size, change.nal_type) == (len(nal.data), nal_type(codec, nal))
            expected.append(_apply(nal.data, change.removed, change.flipped) if change else nal.data)
        found = [nal.data for nal in split_annexb(arrived.payload)]
        if index in entries and entries[index].dropped:
            assert arrived.payload == b""
        else:
            carried = len(found) - sum(1 for data in expected if data)
            assert found[carried:] == [data for data in expected if data]
        assert (arrived.damage is not None) == (index in entries)
        assert arrived.damage is None or any(c.removed or c.flipped for c in changes.values())


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_zeros_stand_where_the_record_says(codec: Codec) -> None:
    """Behind them a start code cannot be told from data, so that NAL units are not found again by themselves."""
    received, record = _send(codec, "zeros")
    units = _stream(codec)
    assert 5 < len(record.damaged) < 30
    for damaged in record.damaged:
        for nal in damaged.nals:
            data = units[damaged.index].nals[nal.nal].data
            left = _apply(data, nal.removed, nal.flipped)
            assert left in received[damaged.index].payload and left != data
            changed = [at for at, _ in nal.flipped]
            assert not any(left[changed[0] : changed[-1] + 1])


@pytest.mark.parametrize("name", CHANNELS)
def test_same_seed_same_bytes(name: str) -> None:
    first, record = _send("h264", name, 7)
    again, same = _send("h264", name, 7)
    other, _ = _send("h264", name, 8)
    assert [r.payload for r in first] == [r.payload for r in again] and record == same
    assert [r.payload for r in first] != [r.payload for r in other]


@pytest.mark.parametrize("codec", ["h264", "hevc"])
@pytest.mark.parametrize("name", CHANNELS)
def test_parameter_sets_all_arrive_in_order(codec: Codec, name: str) -> None:
    kinds = (7, 8) if codec == "h264" else (32, 33, 34)
    sent = [nal.data for unit in _stream(codec) for nal in unit.nals if nal_type(codec, nal) in kinds]
    got = [
        nal.data
        for arrived in _send(codec, name)[0]
        for nal in split_annexb(arrived.payload)
        if nal_type(codec, nal) in kinds
    ]
    assert got == sent


@pytest.mark.parametrize("codec", ["h264", "hevc"])
@pytest.mark.parametrize("name", [name for name in CHANNELS if name not in ("flips", "zeros")])
def test_gaps_lead_a_parser_to_every_damage(codec: Codec, name: str) -> None:
    parser = StreamParser(codec, container_framed=True)
    received = [arrived for arrived in _send(codec, name)[0] if arrived.payload]
    for arrived in received:
        (unit,) = parser.push(arrived.payload, gaps=arrived.gaps)
        harmed = arrived.damage is not None and any(nal.blocks for nal in arrived.damage.nals)
        assert unit.coverage.is_intact != harmed
        marked = [nal.offset for nal in unit.nals if nal.damaged_at is not None]
        assert marked == [nal.offset for nal in arrived.nals if nal.damaged_at is not None]


def test_slice_loss_rate() -> None:
    units = _stream("h264") * 40
    _, record = transmit(units, SliceLoss(0.1, seed=3, spare_first=False))
    lost = sum(nal.dropped for unit in record.damaged for nal in unit.nals if nal.blocks)
    assert lost / record.slices == pytest.approx(0.1, abs=5 * np.sqrt(0.09 / record.slices))


def test_bit_flip_rate() -> None:
    _, record = transmit(_stream("h264") * 10, BitFlips(1e-3, seed=3, spare_first=False))
    sent = 8 * 10 * sum(len(piece.nal.data) - 1 for unit in _stream("h264") for piece in unit.slices)
    flips = sum(mask.bit_count() for unit in record.damaged for nal in unit.nals for _, mask in nal.flipped)
    # Flips that would have formed a start code are left out: a little below, never above by chance alone.
    assert 0.9e-3 < flips / sent < 1.05e-3


@pytest.mark.parametrize("name", CHANNELS)
def test_first_access_unit_is_spared_unless_told_otherwise(name: str) -> None:
    for seed in range(6):
        received, record = _send("h264", name, seed)
        assert received[0].damage is None and all(unit.index for unit in record.damaged)
    (arrived,), record = transmit(_stream("h264")[:1], PictureLoss(1.0, spare_first=False))
    assert arrived.payload == b"" and record.damaged[0].dropped


def test_truth_of_lost_slices() -> None:
    units = _stream("h264")
    received, record = _send("h264", "slice")
    for index, unit in enumerate(units):
        truth = record.truth(index)
        assert truth.lost.shape == (10, 13) and truth.exact and not truth.broken.any()
        kept = {nal.data for nal in received[index].nals}
        starts = [piece.first for piece in unit.slices]
        expected = np.zeros(130, bool)
        for piece, end in zip(unit.slices, [*starts[1:], 130], strict=True):
            expected[piece.first : end] = piece.nal.data not in kept
        assert np.array_equal(truth.lost, expected.reshape(10, 13)) or not received[index].payload
    assert any(record.truth(index).lost.any() for index in range(40))


def test_truth_of_hevc_is_in_blocks_of_16() -> None:
    units = _stream("hevc")
    _, record = _send("hevc", "bytes")
    assert units[0].unit == 64
    unit = record.damaged[0]
    (nal,) = unit.nals
    truth = record.truth(unit.index)
    assert truth.lost.shape == (10, 13) and not truth.lost.any()
    # 208x160 is 4x3 CTBs; the slice covers whole rows of CTBs here.
    assert nal.blocks is not None
    (first, end), rows = nal.blocks[0], truth.broken.all(axis=1)
    assert first % 4 == end % 4 == 0
    assert rows.tolist() == [first // 4 <= row // 4 < end // 4 for row in range(10)]


def test_truth_of_interlaced_pictures() -> None:
    extra = {"interlaced": "1"}
    data = encode_bytes(clip(4, 176, 160), "h264", slices=2, extra=extra)
    parser = StreamParser("h264")
    units = parser.push(data) + parser.flush()
    assert units[1].interlaced == "mbaff"
    _, record = transmit(units, SliceLoss(0.5, seed=2))
    lost = [record.truth(unit.index).lost for unit in record.damaged if not unit.dropped]
    assert lost and all(0 < blocks.mean() < 1 for blocks in lost)
    for blocks in lost:
        pairs = blocks.reshape(5, 2, 11)
        assert np.array_equal(pairs[:, 0], pairs[:, 1])


def test_truth_knows_its_limits() -> None:
    _, record = _send("h264", "slice")
    with pytest.raises(IndexError):
        record.truth(40)
    with pytest.raises(ValueError):
        DamageRecord("h264", {}, access_units=1).truth(0)


@pytest.mark.parametrize("name", CHANNELS)
def test_record_survives_json(name: str) -> None:
    record = _send("hevc", name)[1]
    assert DamageRecord.from_json(record.to_json()) == record


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": "concealer damage record 1"}', '{"format": 3}'])
def test_other_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        DamageRecord.from_json(text)


@pytest.mark.parametrize(("codec", "overhead"), [("h264", 2), ("hevc", 3)])
def test_rtp_fragments_fit(codec: Codec, overhead: int) -> None:
    header = overhead - 1
    assert fragment_bounds(1200, codec, 1200) == [0, 1200]
    bounds = fragment_bounds(5000, codec, 1200)
    # The first fragment carries its share of the body, the NAL unit header's bytes go into its headers.
    bodies = [bounds[1] - header, *np.diff(bounds[1:]).tolist()]
    assert max(bodies) + overhead == 1200 and sum(bodies) == 5000 - header


def test_rtp_loss_ends_the_unit_at_the_first_lost_fragment() -> None:
    units = _stream("h264")
    _, record = _send("h264", "rtp")
    cut = [nal for unit in record.damaged for nal in unit.nals if not nal.dropped]
    assert cut
    for nal in cut:
        ((offset, count),) = nal.removed
        assert offset + count == nal.size
        # At a fragment's end, less zeros that could not be told from padding.
        assert min(b - offset for b in fragment_bounds(nal.size, "h264", 200) if b >= offset) < 3
    assert 0 < len(record.packets_dropped) < record.packets
    assert record.packets >= sum(len(unit.nals) for unit in units)


def test_byte_removal_follows_p_l_s() -> None:
    _, record = transmit(_stream("h264"), ByteRemoval(3, 0.5, 40, seed=4))
    indices = [unit.index for unit in record.damaged]
    assert [sum(group * 16 <= i < group * 16 + 16 for i in indices) for group in (0, 1)] == [3, 3]
    for unit in record.damaged:
        (nal,) = unit.nals
        ((offset, count),) = nal.removed
        assert offset <= nal.size // 2
        if offset + count < nal.size:
            assert offset == nal.size // 2 and 20 <= count < 24


@pytest.mark.parametrize(
    "make",
    [
        lambda: ByteRemoval(17),
        lambda: ByteRemoval(1, 1.5),
        lambda: ByteRemoval(1, 0.5, 0),
        lambda: BitFlips(-1.0),
        lambda: RtpLoss(0.1, mtu=3),
    ],
)
def test_wrong_parameters_are_refused(make: Callable[[], Channel]) -> None:
    with pytest.raises(ValueError):
        make()
