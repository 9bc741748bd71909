"""Packing faces; MediaPipe, which lives in an environment of its own, is stood in for where it is not at hand."""

from __future__ import annotations

import csv
import io
import tarfile
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np
import pytest

from concealer import face_map
from tests.media import encode_file
from train.data.codec_masks import load_holes
from train.data.pack import EVAL_CLIPS, PackSettings, pack
from train.data.shards import read_shards
from train.data.stills import held_out, identity_of, read_stills
from train.data.synthetic import synthetic_faces

PICTURES = 16
HELD_OUT = next(n for n in range(100, 1000) if held_out(f"drawn/{n}"))
"""A name of the validation split; those below 9 are not in it."""


class DrawnFaces:
    """In MediaPipe's place: landmarks of drawn faces, by the picture's nearest neighbour among them."""

    known = synthetic_faces(12, 64, clips=1, length=PICTURES)

    def __init__(self, video: bool = False) -> None:
        self._small = np.stack([_thumbnail(image.transpose(1, 2, 0)) for image in self.known.images])

    def __call__(self, image: np.ndarray) -> np.ndarray | None:
        away = np.abs(self._small - _thumbnail(image)).mean((1, 2, 3))
        points: np.ndarray = self.known.landmarks[int(away.argmin())]
        return points if away.min() < 8 else None

    def __enter__(self) -> DrawnFaces:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass


def _thumbnail(image: np.ndarray) -> np.ndarray:
    return cv2.resize(image, (16, 16), interpolation=cv2.INTER_AREA).astype(np.float32)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawn faces as the data lie: archives with an index, a clip of one face and one of none, the manifest."""
    folder = tmp_path_factory.mktemp("data")
    faces = DrawnFaces.known
    for name, chosen in (("faces_train", range(9)), ("eval_video", range(9, 12))):
        (folder / name).mkdir()
        rows = []
        with tarfile.open(folder / name / "faces.tar", "w") as archive:
            for number in chosen:
                image = cv2.resize(faces.images[number].transpose(1, 2, 0), (96, 96), interpolation=cv2.INTER_CUBIC)
                png = cv2.imencode(".png", image[:, :, ::-1])[1].tobytes()
                member = tarfile.TarInfo(f"{number}.png")
                member.size = len(png)
                archive.addfile(member, io.BytesIO(png))
                path = f"{HELD_OUT if number == 0 else number}.png"
                rows.append(["faces.tar", f"{number}.png", "drawn", path, "96", "CC0", ""])
        rows.append(["faces.tar", "none.png", "drawn", "small.png", "48", "CC0", ""])  # too small to be looked for
        with open(folder / name / "faces_index.csv", "w", newline="") as file:
            head = ["shard", "key", "repo", "path", "size", "licence", "larger_version_of_curated"]
            csv.writer(file).writerows([head, *rows])
    (folder / "video_train").mkdir()
    pictures = [image.transpose(1, 2, 0) for image in faces.images[12:]]
    large = [cv2.resize(picture, (128, 128), interpolation=cv2.INTER_CUBIC) for picture in pictures]
    for name in ("video_train/head.mp4", f"eval_video/{EVAL_CLIPS[0]}"):
        encode_file(folder / name, large)
    encode_file(folder / "video_train/wall.mp4", [np.full((128, 128, 3), 90, np.uint8)] * PICTURES)
    (folder / "video_train/broken.mp4").write_bytes(b"no clip")
    (folder / "MANIFEST.csv").write_text("file,licence\nvideo_train/head.mp4,CC BY\n")
    return folder


def test_every_set_is_packed_once(data: Path, tmp_path: Path) -> None:
    settings = PackSettings(data, tmp_path, 64, EVAL_CLIPS[:1], coded_pictures=8, open_finder=DrawnFaces)
    pack(settings)
    train, val, ev = (read_shards(tmp_path, f"stills-{part}", 64) for part in ("train", "val", "eval"))
    assert (len(train), len(val), len(ev)) == (8, 1, 3)
    assert val.names[0].endswith(identity_of("drawn", f"{HELD_OUT}.png"))
    assert set(train.licences) == {"CC0"} and np.isfinite(train.landmarks).all()
    clips = read_shards(tmp_path, "clips-train", 64)
    assert clips.names == ("head.mp4",) and clips.licences == ("CC BY",) and len(clips) == PICTURES
    right, left = face_map.eye_centres(clips.landmarks)
    assert np.abs((right + left)[..., 1] / 2 - 0.42).max() < 0.03  # eyes at the height of the stills'
    assert np.abs(np.linalg.norm(left - right, axis=-1) * 3.6 - 1).max() < 0.05
    assert read_shards(tmp_path, "clips-eval", 64).licences == ("not stated",)
    masked = read_shards(tmp_path, "masked-eval", 64)
    assert 0.4 < (masked.images.max(1) == 0).mean() < 0.6
    assert load_holes(tmp_path / "codec-masks.safetensors").any()
    written = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    pack(settings)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == written


def test_an_index_that_names_what_is_not_there(data: Path, tmp_path: Path) -> None:
    index = (data / "faces_train/faces_index.csv").read_text().replace("0.png", "gone.png", 1)
    (tmp_path / "faces_index.csv").write_text(index)
    (tmp_path / "faces.tar").write_bytes((data / "faces_train/faces.tar").read_bytes())
    with pytest.raises(ValueError, match="does not hold gone.png"):
        list(read_stills(tmp_path, 64))


def test_landmarks_of_aligned_faces(shared_data: Path) -> None:
    """Eyes lie where the crops were aligned, whatever the resolution."""
    pytest.importorskip("mediapipe", reason="the faces extra needs an environment of its own")
    from train.data.face_mesh import FaceMesh

    stills = list(read_stills(shared_data / "eval_video", 64))[::10]
    with FaceMesh() as find:
        found = [points for still in stills if (points := find(still.image)) is not None]
    assert len(found) >= 0.9 * len(stills)
    right, left = face_map.eye_centres(np.stack(found))
    assert (right[:, 0] < left[:, 0]).all()  # the right eye is on the picture's left
    assert np.abs((right + left)[:, 0] / 2 - 0.5).max() < 0.05
    assert np.abs((right + left)[:, 1] / 2 - 0.42).max() < 0.08
