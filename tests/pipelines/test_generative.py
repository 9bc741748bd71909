"""The network on its way from the zoo into a file's and a stream's repair."""

from __future__ import annotations

import importlib.util
import logging
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from concealer.damage import Damage, DamageMap
from concealer.face_map import LANDMARKS, MESH_POINTS
from concealer.picture import Picture
from concealer.repair import Square
from engines.tensors import TensorSpec
from pipelines import EncoderSettings, Settings, UsageError, conceal_file
from pipelines.cli import main
from pipelines.generative import (
    LandmarkStructure,
    NoNetworkError,
    generative_or_none,
    open_generative,
    open_in_background,
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


def test_paced_repair_goes_on_until_the_network_is_there(zoo: Path) -> None:
    from pipelines.generative import _shared
    from pipelines.gst.decoding import PacedRepair

    _shared.cache_clear()
    paced = PacedRepair("openvino")
    paced.method = "generative"
    rng = np.random.default_rng(0)
    reference = Picture((rng.integers(60, 180, (96, 96), np.uint8),), order=0)
    methods = []
    for order in range(1, 200):
        picture = Picture((reference.planes[0].copy(),), order=order)
        damage = DamageMap(96, 96)
        damage.state[2:3] = Damage.LOST
        paced.begin(None)
        methods.append(paced(picture, damage, [reference]).method)
        if paced.generative is not None and methods[-1] == "generative":
            break
    assert methods[-1] == "generative"


class Finder:
    """Finds a circle of landmarks, `at` to the right of the middle."""

    inputs = (TensorSpec("damaged", (3, 32, 32)), TensorSpec("mask", (1, 32, 32)))
    at = 0.0

    def run(self, batch: Any) -> Any:
        count = len(batch["mask"])
        assert batch["damaged"].shape == (count, 3, 32, 32)
        assert not (batch["damaged"] * batch["mask"]).any()
        angle = np.linspace(0, 6.2, LANDMARKS)
        points = [0.5 + self.at, 0.5] + 0.3 * np.stack([np.cos(angle), np.sin(angle)], 1)
        return {"landmarks": np.stack(count * [points]).astype(np.float32)}


def test_structure_is_drawn_from_landmarks() -> None:
    pictures = np.full((2, 3, 64, 64), 0.5, np.float32)
    masks = np.zeros((2, 1, 64, 64), np.float32)
    masks[:, :, 10:21] = 1
    squares = [Square(0, 0, 64), Square(0, 200, 64)]
    maps, usable = LandmarkStructure(Finder())(pictures, masks, squares, 0)  # type: ignore[arg-type]
    assert maps.shape == (2, 3, 64, 64) and usable.all()
    assert maps.min() == -1.0 and maps.max() > 0


def test_hidden_structure_is_that_of_the_picture_before_until_the_scene_ends() -> None:
    finder, square = Finder(), [Square(0, 0, 64)]
    structure = LandmarkStructure(finder)  # type: ignore[arg-type]
    picture, whole = np.full((1, 3, 64, 64), 0.5, np.float32), np.zeros((1, 1, 64, 64), np.float32)
    before = structure(picture, whole, square, 0)[0]
    finder.at = 0.2  # what is guessed of a face that cannot be seen
    hidden = structure(picture * 0, whole + 1, square, 1)[0]
    elsewhere = structure(picture * 0, whole + 1, [Square(0, 200, 64)], 1)[0]
    assert np.abs(hidden - before).mean() < 0.5 * np.abs(elsewhere - before).mean()
    structure.forget()
    assert (structure(picture * 0, whole + 1, square, 2)[0] == elsewhere).all()


def test_the_square_of_a_face_is_that_of_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """MediaPipe itself is not asked: what is made of its points is checked."""

    class Mesh:
        def __init__(self, **_: Any) -> None:
            pass

        def process(self, image: Any) -> Any:
            assert image.shape == (200, 300, 3)
            # Both eyes' outlines shrunk to points at (120, 100) and (180, 100).
            half = len(MESH_POINTS)
            points = {index: SimpleNamespace(x=0.5, y=0.5) for index in range(478)}
            from concealer.face_map import LEFT_EYE, RIGHT_EYE

            for part, x in ((RIGHT_EYE, 0.4), (LEFT_EYE, 0.6)):
                for index in MESH_POINTS[part]:
                    points[index] = SimpleNamespace(x=x, y=0.5)
            assert half == LANDMARKS
            return SimpleNamespace(multi_face_landmarks=[SimpleNamespace(landmark=points)])

    module = ModuleType("mediapipe.python.solutions.face_mesh")
    module.FaceMesh = Mesh  # type: ignore[attr-defined]
    for name in ("mediapipe", "mediapipe.python", "mediapipe.python.solutions"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    from pipelines.faces import FaceLocator

    planes = (np.full((200, 300), 90, np.uint8), *(np.full((100, 150), 120, np.uint8) for _ in range(2)))
    found = FaceLocator()(Picture(planes, order=3), [Picture(planes, order=2)])
    side = round(60 * 3.6)
    assert found == [Square(round(100 - 0.42 * 216), 150 - side // 2, side)]
