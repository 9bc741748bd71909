"""The network on its way from the zoo into a file's and a stream's repair."""

from __future__ import annotations

import importlib.util
import json
import logging
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from concealer.damage import Damage, DamageMap
from concealer.picture import Picture
from concealer.repair import Repairer
from engines.zoo import Zoo
from engines.zoo.table import TABLE
from pipelines import EncoderSettings, Settings, UsageError, conceal_file
from pipelines.cli import main
from pipelines.generative import (
    NoNetworkError,
    generative_or_none,
    open_generative,
    open_in_background,
    open_shared,
)
from tests.engines.zoos import make_zoo

FAST = EncoderSettings(preset="ultrafast")


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A zoo of an untrained network, which conceal uses."""
    make_zoo(tmp_path / "zoo", "fill")
    monkeypatch.setenv("CONCEALER_ZOO", str(tmp_path / "zoo"))
    return tmp_path / "zoo"


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    make_zoo(tmp_path / "empty")
    monkeypatch.setenv("CONCEALER_ZOO", str(tmp_path / "empty"))
    return tmp_path / "empty"


def conceal(media: Path, tmp_path: Path, name: str, **settings: Any) -> Any:
    return conceal_file(media / name, tmp_path / "out.mkv", Settings(encoder=FAST, overwrite=True, **settings))


@pytest.mark.parametrize("name", ["damaged-h264.mp4", "damaged-hevc.mp4"])
def test_method_generative_paints_with_the_network(media: Path, tmp_path: Path, zoo: Path, name: str) -> None:
    result = conceal(media, tmp_path, name, method="generative")
    assert result.totals.methods.get("generative", 0) >= 1
    assert result.totals.pictures == 24


def test_auto_reports_the_fit_of_the_network(media: Path, tmp_path: Path, zoo: Path) -> None:
    with_network = conceal(media, tmp_path, "damaged-h264.mp4")
    assert sum(with_network.totals.methods.values()) == with_network.totals.damaged
    assert set(with_network.totals.methods) <= {"motion", "generative", "spatial", "decoder"}


def test_without_a_network_auto_works_and_generative_says_so(media: Path, tmp_path: Path, empty: Path) -> None:
    assert conceal(media, tmp_path, "damaged-h264.mp4").totals.damaged
    with pytest.raises(UsageError, match="no network"):
        conceal_file(media / "damaged-h264.mp4", tmp_path / "other.mkv", Settings(method="generative"))
    assert not (tmp_path / "other.mkv").exists()


def test_cli_without_a_network_is_exit_code_2(
    media: Path, tmp_path: Path, empty: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "x.mkv"
    assert main([str(media / "damaged-h264.mp4"), str(out), "--method", "generative"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not out.exists()


def test_unknown_engine_is_named(media: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'cuda'"):
        conceal(media, tmp_path, "damaged-h264.mp4", engine="cuda")


def test_a_damaged_network_is_a_warning_and_no_more(
    media: Path, tmp_path: Path, zoo: Path, caplog: pytest.LogCaptureFixture
) -> None:
    next(zoo.glob("*.onnx")).write_bytes(b"other")
    with caplog.at_level(logging.WARNING):
        assert conceal(media, tmp_path, "damaged-h264.mp4").totals.damaged
    told = [r.getMessage() for r in caplog.records if "generative" in r.getMessage()]
    assert len(told) == 1 and "damaged" in told[0]
    with pytest.raises(UsageError, match="damaged"):
        conceal(media, tmp_path, "damaged-h264.mp4", method="generative")


def test_methods_without_a_network_open_none(zoo: Path) -> None:
    assert generative_or_none("motion", "auto") is None
    assert generative_or_none("auto", "auto") is not None


def test_faces_need_something_that_finds_them(tmp_path: Path) -> None:
    if importlib.util.find_spec("mediapipe"):
        pytest.skip("mediapipe is here")
    zoo = make_zoo(tmp_path / "faces", "fill", domain="face")
    with pytest.raises(NoNetworkError, match="pip install 'concealer"):
        open_generative(zoo=zoo)


@pytest.fixture
def two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Zoo:
    """A zoo of two inpainters, of which the second did better on held-out pictures, and one that was not measured."""
    folder = make_zoo(tmp_path / "two", "fill").folder
    table = json.loads((folder / TABLE).read_text())
    row = table["networks"][0]
    table["networks"] = [row | {"name": name, "held_out": held_out} for name, held_out in HELD_OUT]
    (folder / TABLE).write_text(json.dumps(table))
    monkeypatch.setenv("CONCEALER_ZOO", str(folder))
    return Zoo(folder)


HELD_OUT = (("unknown", None), ("good", 17.5), ("better", 18.25))


@pytest.mark.parametrize(("asked", "opened"), [("auto", "better"), ("good", "good"), ("unknown", "unknown")])
def test_the_best_network_is_opened_or_the_one_asked_for(
    two: Zoo, caplog: pytest.LogCaptureFixture, asked: str, opened: str
) -> None:
    caplog.set_level(logging.INFO, "pipelines.generative")
    open_generative("openvino", two, asked)
    assert [f"generative repair by {opened} on" in record.getMessage() for record in caplog.records] == [True]


@pytest.mark.parametrize("method", ["auto", "generative"])
def test_a_network_that_is_not_there_is_one_clear_line(
    two: Zoo, media: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], method: str
) -> None:
    source, target = str(media / "damaged-h264.mp4"), str(tmp_path / "out.mkv")
    assert main([source, target, "--network", "best", "--method", method]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and "auto, better, good, unknown" in told
    assert main([source, target, "--network", "good", "--method", "copy"]) == 2
    assert "asks none" in capsys.readouterr().err


def test_a_named_network_that_cannot_be_used_is_an_error(two: Zoo, media: Path, tmp_path: Path) -> None:
    for entry in two.entries.values():
        for file in entry.graphs.values():
            (two.folder / file.file).unlink(missing_ok=True)
    with pytest.raises(UsageError, match="not installed"):
        conceal(media, tmp_path, "damaged-h264.mp4", network="good")


def test_a_live_stream_gets_its_network_when_it_is_ready(
    zoo: Path, empty: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    got: list[Any] = []
    open_in_background("auto", got.append).join(60)
    assert not got
    monkeypatch.setenv("CONCEALER_ZOO", str(zoo))
    for _ in range(2):
        open_in_background("auto", got.append).join(60)
    assert len(got) == 2
    assert got[0] is not got[1]  # states are each stream's own


def test_repair_goes_on_until_the_network_is_there(zoo: Path) -> None:
    open_shared.cache_clear()
    repairer = Repairer()
    repairer.method = "generative"
    network = open_in_background("openvino", partial(setattr, repairer, "generative"))
    rng = np.random.default_rng(0)
    reference = Picture((rng.integers(60, 180, (96, 96), np.uint8),), order=0)
    methods = []
    for order in range(1, 6):
        if order == 5:
            network.join(60)
        picture = Picture((reference.planes[0].copy(),), order=order)
        damage = DamageMap(96, 96)
        damage.state[2:3] = Damage.LOST
        repairer.begin(None)
        methods.append(repairer(picture, damage, [reference]).method)
    assert methods[0] in ("motion", "copy", "generative")
    assert methods[-1] == "generative"
