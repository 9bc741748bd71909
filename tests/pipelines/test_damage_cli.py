import json
import wave
from collections import Counter
from pathlib import Path

import av
import pytest

from concealer.loss import DamageRecord
from pipelines.damage_cli import main
from tests.media import Codec, clip, decode_luma, encode_bytes, encode_file

SUFFIXES = [".mp4", ".mov", ".mkv", ".ts", ".raw"]
MODELS = {
    "slice": ["--rate", "0.15"],
    "picture": ["--rate", "0.2", "--burst", "2"],
    "rtp": ["--rate", "0.15", "--mtu", "300"],
    "bytes": ["--P", "4", "--L", "0.4", "--S", "60"],
    "flips": ["--rate", "0.001"],
}


@pytest.fixture(scope="module", params=["h264", "hevc"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Codec, Path]:
    place = tmp_path_factory.mktemp("damage")
    for suffix in (".mp4", ".mov", ".mkv", ".ts"):
        encode_file(place / f"in{suffix}", clip(24), request.param, slices=2, bframes=2, gop=12, audio=True)
    raw = encode_bytes(clip(24), request.param, slices=2, bframes=2, gop=12)
    (place / _raw("in", request.param)).write_bytes(raw)
    return request.param, place


def _raw(stem: str, codec: Codec) -> str:
    return stem + {"h264": ".264", "hevc": ".265"}[codec]


def _paths(folder: tuple[Codec, Path], suffix: str, tmp_path: Path) -> tuple[Path, Path]:
    codec, place = folder
    if suffix == ".raw":
        return place / _raw("in", codec), tmp_path / _raw("out", codec)
    return place / f"in{suffix}", tmp_path / f"out{suffix}"


def _packets(path: Path) -> dict[str, list[tuple[int | None, bytes]]]:
    """(pts, bytes) of every packet by stream type."""
    found: dict[str, list[tuple[int | None, bytes]]] = {}
    with av.open(str(path), "r") as container:
        for packet in container.demux():
            if packet.size:
                found.setdefault(packet.stream.type, []).append((packet.pts, bytes(packet)))
    return found


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("model", MODELS)
def test_container_round_trip(
    folder: tuple[Codec, Path], suffix: str, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, target = _paths(folder, suffix, tmp_path)
    record_path = tmp_path / "record.json"
    arguments = [str(source), str(target), "--model", model, "--seed", "2", "--record", str(record_path)]
    assert main(arguments + MODELS[model]) == 0
    assert "pictures damaged" in capsys.readouterr().err
    record = DamageRecord.from_json(record_path.read_text())
    assert record.source == source.name and record.codec == folder[0]
    assert record.access_units == 24 and record.slices >= 24 and record.damaged

    before, after = _packets(source), _packets(target)
    if suffix != ".raw":
        assert after["audio"] == before["audio"]
    if suffix in (".ts", ".raw"):
        # Here libavformat cuts packets by what it finds in the damaged stream: only their sum is fixed.
        whole = b"".join(data for _, data in after["video"])
        assert len(whole) < sum(len(data) for _, data in before["video"]) or model == "flips"
    else:
        damage = {unit.index: unit for unit in record.damaged}
        kept = [n for n in range(24) if n not in damage or not damage[n].dropped]
        assert [pts for pts, _ in after["video"]] == [before["video"][n][0] for n in kept]
        for n, (_, data) in zip(kept, after["video"], strict=True):
            changed = n in damage and any(nal.removed or nal.flipped for nal in damage[n].nals)
            carried = n and n - 1 in damage and damage[n - 1].dropped
            if not carried:
                assert (data != before["video"][n][1]) == changed
    assert decode_luma(target), "PyAV must get pictures out of it"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([target.name, "record.json"])


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_same_seed_same_file_other_seed_other_file(folder: tuple[Codec, Path], suffix: str, tmp_path: Path) -> None:
    source, target = _paths(folder, suffix, tmp_path)
    files = []
    for seed in ("1", "1", "2"):
        assert main([str(source), str(target), "--rate", "0.2", "--seed", seed, "-q", "-y"]) == 0
        files.append(target.read_bytes())
    assert files[0] == files[1] != files[2]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_nothing_lost_nothing_changed(folder: tuple[Codec, Path], suffix: str, tmp_path: Path) -> None:
    source, target = _paths(folder, suffix, tmp_path)
    assert main([str(source), str(target), "--rate", "0", "-q"]) == 0
    assert _packets(target) == _packets(source)


def test_transport_stream_packets(folder: tuple[Codec, Path], tmp_path: Path) -> None:
    source, target = _paths(folder, ".ts", tmp_path)
    record_path = tmp_path / "record.json"
    arguments = [str(source), str(target), "--model", "ts", "--rate", "0.1", "--record", str(record_path)]
    assert main(arguments) == 0
    record = json.loads(record_path.read_text())
    assert record["packets"] == source.stat().st_size // 188
    assert target.stat().st_size == 188 * (record["packets"] - len(record["packets_dropped"]))
    assert record["damaged"] and Counter(unit["index"] for unit in record["damaged"]).most_common(1)[0][1] == 1


def test_truncation(folder: tuple[Codec, Path], tmp_path: Path) -> None:
    source, target = _paths(folder, ".mkv", tmp_path)
    assert main([str(source), str(target), "--model", "truncate", "--rate", "0.4", "-q"]) == 0
    whole, cut = source.read_bytes(), target.read_bytes()
    assert cut == whole[: len(cut)] and len(cut) == pytest.approx(0.6 * len(whole), abs=1)


def test_parameter_sets_of_a_lost_picture_travel_with_the_next(tmp_path: Path) -> None:
    source, target = tmp_path / "in.264", tmp_path / "out.264"
    source.write_bytes(encode_bytes(clip(6), gop=3))
    # One picture in three carries parameter sets; without sparing, every second loss takes some.
    seen = Counter[bool]()
    options = ["-q", "-y", "--model", "picture", "--rate", "0.5", "--no-spare-first"]
    for seed in range(20):
        assert main([str(source), str(target), *options, f"--seed={seed}"]) == 0
        parts = [part[:1] for part in target.read_bytes().split(b"\x00\x00\x01")[1:]]
        kinds = [part[0] & 31 for part in parts]
        if 1 in kinds or 5 in kinds:
            assert kinds[:2] == [7, 8]
            seen[kinds.index(5) < kinds.index(1) if {1, 5} <= set(kinds) else 5 in kinds] += 1
    assert seen[True] and seen[False], "both must have been tried: first IDR picture kept, and lost"


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["absent.mp4", "out.mp4"], 3, "absent.mp4: no such file"),
        (["text.txt", "out.mp4"], 3, "no H.264 or HEVC"),
        (["empty.mp4", "out.mp4"], 3, "empty.mp4: is empty"),
        (["sound.wav", "out.mp4"], 3, "no H.264 or HEVC"),
        (["in.mp4", "in.mp4"], 2, "same file"),
        (["in.mp4", "out.mkv"], 2, "container must stay"),
        (["in.mp4", "out.nonsense"], 2, "container must stay"),
        (["in.mp4", "no/such/out.mp4"], 4, "cannot be written"),
        (["in.mp4", "text.txt"], 2, "exists"),
        (["in.mp4", "out.mp4", "--record", "text.txt"], 2, "exists"),
        (["in.mp4", "out.mp4", "--record", "out.mp4"], 2, "same file"),
        (["in.mp4", "out.mp4", "--rate", "2"], 2, "--rate"),
        (["in.mp4", "out.mp4", "--P", "2"], 2, "--P means nothing to --model slice"),
        (["in.mp4", "out.mp4", "--model", "bytes", "--rate", "0.1"], 2, "--rate means nothing"),
        (["in.mp4", "out.mp4", "--model", "ts"], 3, "not a transport stream"),
        (["in.mp4", "out.mp4", "--burst", "0.2"], 2, "burst"),
        (["in.mp4", "out.mp4", "--seed", "-3"], 2, "--seed"),
        (["in.mp4", "out.mp4", "--wrong"], 2, "--wrong"),
        (["in.mp4"], 2, "OUT"),
    ],
)
def test_bad_requests_end_in_one_clear_line(
    arguments: list[str],
    code: int,
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    encode_file(tmp_path / "in.mp4", clip(3))
    (tmp_path / "text.txt").write_text("not a video\n" * 100)
    (tmp_path / "empty.mp4").touch()
    with wave.open(str(tmp_path / "sound.wav"), "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(bytes(4000))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    given = arguments if "--rate" in arguments or "bytes" in arguments else [*arguments, "--rate", "0.1"]
    assert main(given) == code
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("conceal-damage: ") and says in lines[0]
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_suffix_that_lies_may_be_kept(tmp_path: Path) -> None:
    source, target = tmp_path / "in.mp4", tmp_path / "out.mp4"
    encode_file(tmp_path / "in.ts", clip(12), slices=2).rename(source)
    assert main([str(source), str(target), "--rate", "0.3", "-q"]) == 0
    assert target.read_bytes()[:1] == b"G" and main([str(source), str(tmp_path / "out.mov"), "--rate", "0"]) == 2


def test_real_streams(shared_data: Path, tmp_path: Path) -> None:
    done = 0
    for source in sorted((shared_data / "damaged_streams").iterdir()):
        target = tmp_path / f"out{source.suffix}"
        record_path = tmp_path / "record.json"
        arguments = [str(source), str(target), "-q", "--model", "rtp", "--rate", "0.1", "--record", str(record_path)]
        code = main(arguments)
        assert code in (0, 3, 4), source.name
        left = {path.name for path in tmp_path.iterdir()}
        assert left == ({target.name, "record.json"} if code == 0 else set()), source.name
        if code == 0:
            record = DamageRecord.from_json(record_path.read_text())
            for unit in record.damaged if record.layout else []:
                assert record.truth(unit.index).lost.ndim == 2
            target.unlink()
            record_path.unlink()
            done += 1
    assert done > 10


def test_a_failure_half_way_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, target = tmp_path / "in.mp4", tmp_path / "out.mp4"
    encode_file(source, clip(8))

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("pipelines.writing.sink.Sink.finish", interrupt)
    assert main([str(source), str(target), "--rate", "0.1"]) == 130
    assert [path.name for path in tmp_path.iterdir()] == ["in.mp4"]
