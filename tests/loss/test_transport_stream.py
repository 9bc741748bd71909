import io

import pytest

from concealer.bitstream import AccessUnit, StreamParser
from concealer.bitstream.transport import ContinuityChecker
from concealer.loss import DamageRecord, TransportStreamLoss, truncate
from tests.media import Codec, clip, encode_file

PACKET = 188


@pytest.fixture(scope="module", params=["h264", "hevc"])
def sent(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Codec, bytes]:
    path = tmp_path_factory.mktemp("ts") / "sent.ts"
    encode_file(path, clip(30, 352, 288), request.param, slices=4, bframes=2, gop=15, crf=18, audio=True)
    return request.param, path.read_bytes()


def _send(data: bytes, channel: TransportStreamLoss) -> tuple[bytes, DamageRecord]:
    target = io.BytesIO()
    record = channel.send(io.BytesIO(data), target)
    return target.getvalue(), record


def _elementary(data: bytes) -> bytes:
    """The video's bytes by another reader of transport streams than the one under test."""
    checker = ContinuityChecker()
    return b"".join(pes.payload for pes in checker.push(data) + checker.flush())


def _units(data: bytes, codec: Codec) -> list[AccessUnit]:
    checker, parser = ContinuityChecker(), StreamParser(codec)
    units = []
    for pes in checker.push(data) + checker.flush():
        units += parser.push(pes.payload, pts=pes.pts)
    return units + parser.flush()


def test_output_is_the_input_without_the_dropped_packets(sent: tuple[Codec, bytes]) -> None:
    _, data = sent
    damaged, record = _send(data, TransportStreamLoss(0.03, seed=3))
    packets = [data[at : at + PACKET] for at in range(0, len(data), PACKET)]
    dropped = set(record.packets_dropped)
    assert record.packets == len(packets) and dropped
    assert damaged == b"".join(packet for n, packet in enumerate(packets) if n not in dropped)
    assert len(dropped) / len(packets) == pytest.approx(0.03, abs=0.025)


def test_record_tells_which_bytes_of_which_unit_are_gone(sent: tuple[Codec, bytes]) -> None:
    codec, data = sent
    damaged, record = _send(data, TransportStreamLoss(0.03, seed=3))
    units, arrived = _units(data, codec), _elementary(damaged)
    assert record.access_units == len(units) == 30 and record.slices == 120
    entries = {(unit.index, nal.nal): nal for unit in record.damaged for nal in unit.nals}
    at = 0
    gone = 0
    for index, unit in enumerate(units):
        for number, nal in enumerate(unit.nals):
            entry = entries.get((index, number))
            left = bytearray(nal.data)
            for offset, count in reversed(entry.removed if entry else []):
                del left[max(offset, 0) : max(offset + count, 0)]
                gone += count
            at = arrived.find(left, at)
            assert at >= 0, (index, number)
            at += len(left)
    assert entries and gone > PACKET
    assert [unit.pts for unit in record.damaged] == [units[unit.index].pts for unit in record.damaged]
    # What the list does not name is start codes' first zero bytes only.
    assert len(_elementary(data)) - len(arrived) - gone < 2 * len(entries)


def test_truth_marks_the_hit_slices(sent: tuple[Codec, bytes]) -> None:
    _, data = sent
    _, record = _send(data, TransportStreamLoss(0.03, seed=3))
    for unit in record.damaged:
        truth = record.truth(unit.index)
        assert truth.exact and (truth.lost | truth.broken).any() == any(nal.blocks for nal in unit.nals)
        assert truth.lost.shape == (18, 22)


def test_same_seed_same_bytes_and_the_first_unit_is_spared(sent: tuple[Codec, bytes]) -> None:
    _, data = sent
    for seed in range(4):
        first, record = _send(data, TransportStreamLoss(0.2, seed=seed, burst=3))
        assert _send(data, TransportStreamLoss(0.2, seed=seed, burst=3)) == (first, record)
        assert all(unit.index > 0 for unit in record.damaged)
    bare, record = _send(data, TransportStreamLoss(0.9, seed=0, spare_first=False))
    assert record.packets_dropped[0] < 10 and len(bare) < 0.2 * len(data)


@pytest.mark.parametrize("data", [b"", b"no packets at all", b"\x47" * 1880, bytes(376)])
def test_other_input_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):
        _send(data, TransportStreamLoss(0.1))


def test_truncation_keeps_the_beginning() -> None:
    data, target = bytes(range(250)) * 10_000, io.BytesIO()
    record = truncate(io.BytesIO(data), target, 0.25)
    assert target.getvalue() == data[:1_875_000] and record.file_removed == [(1_875_000, 625_000)]
    assert truncate(io.BytesIO(data), io.BytesIO(), 0.0).file_removed == []
    with pytest.raises(ValueError):
        truncate(io.BytesIO(data), io.BytesIO(), 1.5)
