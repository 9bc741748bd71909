"""Reports for people and their tools, made by real runs."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
import sys
from fractions import Fraction
from html.parser import HTMLParser
from pathlib import Path

import av
import cv2
import jsonschema
import numpy as np
import pytest

from concealer.damage import Damage, DamageMap
from concealer.decoder import DecodedPicture
from pipelines.cli import main
from pipelines.presenting import ShownPicture
from pipelines.report import Totals, picture_text
from pipelines.reporting import Beside, Subject, VideoFacts, collector
from pipelines.reporting.bins import Bins
from pipelines.reporting.timecode import Timecode, clock

REPOSITORY = Path(__file__).resolve().parents[3]
LIMIT = 2_000_000


class Reader(HTMLParser):
    """What could do something in a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.text += data


def harmless(page: Path) -> Reader:
    """The page has no script and no link out of itself."""
    reader = Reader(page.read_text())
    assert not reader.tags & {"script", "iframe", "object", "embed", "link", "base", "form", "img"}
    for name, value in reader.attributes:
        assert not name.startswith("on"), (name, value)
        if name in ("href", "src"):
            assert value.startswith(("#", "data:image/jpeg;base64,")), value
    assert "url(" not in page.read_text() and "@import" not in page.read_text()
    assert page.stat().st_size < LIMIT
    return reader


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("damaged-h264.mp4", []),
        ("damaged-hevc.mkv", ["--output", "gop"]),
        ("damaged-h264.mkv", ["--on-damage", "hold"]),
        ("damaged-hevc.265", ["--output", "encode", "--preset", "ultrafast"]),
        ("damaged-hevc.mp4", ["--splice"]),
        ("damaged-h264.mp4", ["--dry-run"]),
        ("h264.ts", []),
    ],
)
def test_json_keeps_to_its_schema(media: Path, tmp_path: Path, name: str, options: list[str]) -> None:
    out = [] if "--dry-run" in options else [str(tmp_path / f"out{Path(name).suffix.replace('.265', '.mp4')}")]
    report = tmp_path / "r.json"
    assert main([*options, str(media / name), *out, "--report", str(report), "-q"]) == 0
    schema = json.loads((REPOSITORY / "docs" / "report.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(json.loads(report.read_text()))


def test_the_page_shows_before_and_after(media: Path, tmp_path: Path) -> None:
    page = tmp_path / "r.html"
    assert main([str(media / "damaged-h264.mp4"), str(tmp_path / "out.mp4"), "--report", str(page), "-q"]) == 0
    reader = harmless(page)
    text = " ".join(reader.text.split())
    assert "2 of 24 pictures were damaged, 2 repaired inside the stream." in text
    assert "method motion2" in text and "slice lost" in text and "Minute by minute" in text
    pictures = [value for name, value in reader.attributes if name == "href" and value.startswith("data:")]
    # The clip lasts a second: one picture stands for it, and both with a hole are there anyway.
    assert len(pictures) in (4, 6) and pictures[0] != pictures[1]
    paths = [value for name, value in reader.attributes if name == "d"]
    assert paths and all(re.fullmatch(r"(M\d+ \d+[hv]\d+)+", path) for path in paths)


@pytest.mark.parametrize(
    ("options", "says"), [(["--dry-run"], "Nothing was repaired"), ([], "2 of 24 pictures were damaged")]
)
def test_the_page_of_a_stream_without_times(media: Path, tmp_path: Path, options: list[str], says: str) -> None:
    page = tmp_path / "r.html"
    out = [] if options else [str(tmp_path / "out.mp4")]
    source = media / "damaged-h264.264"
    assert main([*options, str(source), *out, "--report", str(page), "-q"]) == 0
    assert says.replace("2 of", "3 of") in " ".join(harmless(page).text.split())


def test_hostile_names_execute_nothing(media: Path, tmp_path: Path) -> None:
    evil = '"><svg onload=alert(1)><script>alert(2)<!script>{{7*7}}'
    source, page = tmp_path / f"{evil}.mp4", tmp_path / "r.html"
    with av.open(str(media / "damaged-h264.mp4")) as whole, av.open("file:" + str(source), "w", format="mp4") as out:
        stream = out.add_stream_from_template(whole.streams.video[0], opaque=True)
        out.metadata["title"] = f"</title></style>{evil}"
        out.metadata["comment"] = "javascript:alert(3)"
        for packet in whole.demux(whole.streams.video[0]):
            if packet.size:
                packet.stream = stream
                out.mux(packet)
    assert main([str(source), str(tmp_path / "out.mp4"), "--report", str(page), "-q"]) == 0
    reader = harmless(page)
    assert evil in reader.text and "49" not in re.findall(r"script>(\d+)", reader.text)
    policy = next(value for name, value in reader.attributes if value.startswith("default-src"))
    assert "script" not in policy and policy.startswith("default-src 'none'")
    chromium = shutil.which("chromium")
    if chromium is not None:
        dom = _chromium(tmp_path, "--dump-dom", page.as_uri())
        assert "<script" not in dom.decode() and b"Damage report: " in dom


def test_pairs_are_what_a_plain_player_shows(media: Path) -> None:
    source = media / "damaged-h264.mp4"
    with av.open(str(source)) as opened:
        opened.streams.video[0].codec_context.thread_count = 1
        plain = {frame.pts: frame.to_ndarray() for frame in opened.decode(video=0)}
    with av.open(str(source)) as opened:
        stream = opened.streams.video[0]
        packets = [packet for packet in opened.demux(stream) if packet.size]
        times = [packet.pts for packet in packets]
        beside = Beside("h264", stream.codec_context.extradata)
        numbers = sorted(range(len(times)), key=lambda number: times[number] or 0)
        pairs = []
        for number, packet in enumerate(packets):
            beside.push(number, bytes(packet), None)
        for number in numbers:
            beside.expect(ShownPicture(_picture(tag=number), times[number]))
            pairs += beside.ready()
        beside.flush()
        pairs += beside.ready()
    assert [shown.pts for shown, _ in pairs] == sorted(plain)
    for shown, frame in pairs:
        assert frame is not None and np.array_equal(frame.to_ndarray(), plain[shown.pts])
    # After a pause it begins anew.
    beside.push(len(packets), bytes(packets[0]), None)
    beside.expect(ShownPicture(_picture(tag=len(packets)), 99))
    beside.flush()
    [(_, again)] = beside.ready()
    assert again is not None and np.array_equal(again.to_ndarray(), plain[times[0]])


def _picture(
    tag: int | None = 0, damage: DamageMap | None = None, frame: av.VideoFrame | None = None
) -> DecodedPicture:
    frame = frame or av.VideoFrame(176, 144, "yuv420p")
    damage = damage or DamageMap(frame.width, frame.height)
    return DecodedPicture(frame, damage, None, tag, 1, "P", tag, tag, False, True, tag=tag)


def test_the_table_has_what_json_has(media: Path, tmp_path: Path) -> None:
    source = str(media / "damaged-h264.mp4")
    for name in ("r.csv", "r.json"):
        out = str(tmp_path / f"{name}.mp4")
        assert main([source, out, "--report", str(tmp_path / name), "-q"]) == 0
    with open(tmp_path / "r.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    touched = [one for one in json.loads((tmp_path / "r.json").read_text())["pictures"] if len(one) > 4]
    assert len(rows) == len(touched) > 2
    for row, one in zip(rows, touched, strict=True):
        assert int(row["pts"]) == one["pts"] and float(row["time"]) == pytest.approx(one["time"])
        blocks = one.get("blocks", {"lost": 0, "broken": 0, "tainted": 0})
        assert [int(row[k]) for k in ("lost", "broken", "tainted")] == [
            blocks[k] for k in ("lost", "broken", "tainted")
        ]
        assert row["causes"] == "; ".join(one.get("causes", [])) and row["method"] == one.get("method", "")


def test_marks_are_read_by_ffmpeg_and_editors(media: Path, tmp_path: Path) -> None:
    source = str(media / "damaged-h264.mp4")
    marks, edl = tmp_path / "r.ffmeta", tmp_path / "r.edl"
    for number, report in enumerate((marks, edl)):
        assert main([source, str(tmp_path / f"{number}.mp4"), "--report", str(report), "-q"]) == 0
    with av.open(str(marks), format="ffmetadata") as opened:
        chapters = opened.chapters()
    hit = [one["metadata"]["title"].startswith("slice lost") for one in chapters]
    assert any(hit) and not any(one == following for one, following in zip(hit, hit[1:], strict=False))
    assert chapters[0]["start"] == 0 and chapters[-1]["end"] <= 960
    for one, following in zip(chapters, chapters[1:], strict=False):
        assert one["start"] < one["end"] == following["start"]
    lines = edl.read_text().splitlines()
    assert lines[:2] == ["TITLE: 1.mp4", "FCM: NON-DROP FRAME"]
    events = [
        line for line in lines if re.fullmatch(r"\d{3}  001      V     C        (\d\d:\d\d:\d\d:\d\d ?){4}", line)
    ]
    markers = [line for line in lines if re.fullmatch(r" \|C:ResolveColor\w+ \|M:slice lost: .* \|D:\d+", line)]
    assert len(events) == len(markers) == sum(line.startswith("* LOC: ") for line in lines) == sum(hit)


@pytest.mark.parametrize(
    ("rate", "frames", "code"),
    [
        (Fraction(25), 1525, "00:01:01:00"),
        (Fraction(30000, 1001), 1799, "00:00:59;29"),
        (Fraction(30000, 1001), 1800, "00:01:00;02"),
        (Fraction(30000, 1001), 17981, "00:09:59;29"),
        (Fraction(30000, 1001), 17982, "00:10:00;00"),
        (Fraction(60000, 1001), 3600, "00:01:00;04"),
        (Fraction(24000, 1001), 1440, "00:01:00:00"),
    ],
)
def test_timecode(rate: Fraction, frames: int, code: str) -> None:
    """Drop-frame figures: SMPTE ST 12-1."""
    assert Timecode(rate).at(float(frames / rate)) == code
    assert Timecode(rate, code).at(0) == code
    assert Timecode(rate, "nonsense").at(0).startswith("00:00:00")
    assert clock(3723.45) == "1:02:03.450" and clock(0.9996) == "0:01.000"


def test_bins_double_and_keep_their_sums() -> None:
    bins = Bins(0.04, 40)
    for number in range(10_000):
        bins.add(number * 0.04, None)
    assert bins.count <= 40 and sum(one.pictures for one in bins.bins.values()) == 10_000


def test_a_page_of_the_worst_stays_below_two_megabytes(tmp_path: Path) -> None:
    """Noise, which no encoder makes small, with damage in every other block, over hours."""
    random = np.random.default_rng(1)
    noise = random.integers(0, 255, (720, 1280, 3), np.uint8)
    frame = av.VideoFrame.from_ndarray(noise, format="rgb24").reformat(format="yuv420p")
    damage = DamageMap(1280, 720, causes=("slice lost", "decode error", "bytes lost"))
    damage.state[:] = random.integers(0, 4, damage.state.shape)
    assert damage.count(Damage.LOST)
    video = VideoFacts(0, "h264", 1280, 720, Fraction(25))
    subject = Subject("in" * 999, "out" * 999, "x", (video,), {f"k{n}": "v" * 999 for n in range(99)}, {}, True)
    page = collector(str(tmp_path / "r.html"), subject)
    assert page is not None
    for number in range(60_000):
        picture = _picture(number, damage, frame) if number % 50 == 0 else _picture(number)
        page.add(picture_text(0, picture, number, Fraction(1, 5) if number else Fraction(1)))
        if number % 3_000 == 0:
            page.look(0, ShownPicture(picture, number), frame, Fraction(1, 5))
    page.finish(_totals())
    assert 1_000_000 < (tmp_path / "r.html").stat().st_size < LIMIT
    harmless(tmp_path / "r.html")


def _totals() -> dict[str, object]:
    counts = vars(Totals(pictures=60_000, damaged=1200, repaired=1200))
    names = ("ended_early", "splice", "kept")
    return {"action": "repaired", "totals": counts, "unread": 0, "losses": 0, "seconds": 1.0, "interrupted": False} | {
        name: None for name in names
    }


def test_without_jinja_one_line(
    media: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    out = tmp_path / "out.mp4"
    assert main([str(media / "damaged-h264.mp4"), str(out), "--report", str(tmp_path / "r.html")]) == 2
    assert capsys.readouterr().err == "conceal: an HTML report needs Jinja2: pip install 'concealer[report]'\n"
    assert list(tmp_path.iterdir()) == []


def _chromium(folder: Path, *arguments: str) -> bytes:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("needs chromium")
    common = [
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        f"--user-data-dir={folder}/profile",
    ]
    return subprocess.run([chromium, *common, *arguments], capture_output=True, timeout=60, check=True).stdout


def test_looked_at_in_a_browser(media: Path, tmp_path: Path) -> None:
    """Light and dark, wide and narrow: what is drawn, and that nothing stands out to the right."""
    page = tmp_path / "r.html"
    assert main([str(media / "damaged-h264.mp4"), str(tmp_path / "out.mp4"), "--report", str(page), "-q"]) == 0
    shots = {}
    for name, width, extra in (("light", 1200, []), ("dark", 1200, ["--force-dark-mode"]), ("phone", 500, [])):
        shot = tmp_path / f"{name}.png"
        _chromium(tmp_path, *extra, f"--window-size={width},1500", f"--screenshot={shot}", page.as_uri())
        shots[name] = cv2.imread(str(shot))
    light, dark, phone = (shots[name].astype(int) for name in ("light", "dark", "phone"))
    assert np.median(light) > 240 and np.median(dark) < 40
    for shot in (light, dark, phone):
        margins = np.concatenate([shot[:, :4], shot[:, -4:]], axis=1)
        assert not np.ptp(margins, axis=(0, 1)).any(), "the margins are empty"
        blue, green, red = shot[..., 0], shot[..., 1], shot[..., 2]
        assert np.count_nonzero((red > 170) & (green < 120) & (blue < 120)) > 100, "lost blocks are red"
