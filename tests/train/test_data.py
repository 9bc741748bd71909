"""Stills, clips, shards, batches, pseudo sequences, labels."""

from __future__ import annotations

import csv
import io
import tarfile
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from concealer.face_map import LANDMARKS, REGIONS, eye_centres
from train.data.batches import Faces, damage, draw_masks
from train.data.clips import EYE_LINE, EYE_SHARE, crop, cut_face
from train.data.labels import CLASSES, labels_of, mirrored
from train.data.masks import MASKS
from train.data.pseudo import Motion, draw_motion, move_landmarks, move_pictures
from train.data.shards import FaceSet, read_shards, write_shards
from train.data.stills import held_out, identity_of, read_stills
from train.data.synthetic import synthetic_landmarks


def _archive(folder: Path) -> None:
    """Three pictures, the third a larger version of the first."""
    rows = []
    with tarfile.open(folder / "faces_a.tar", "w") as archive:
        for name, size in (("one", 64), ("two", 64), ("big", 128)):
            data = cv2.imencode(".jpg", np.full((size, size, 3), (0, 0, 250), np.uint8))[1].tobytes()
            info = tarfile.TarInfo(f"{size}/{name}.jpg")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
            larger = "set/faces_a.tar:64/one.jpg" if name == "big" else ""
            rows.append(["set/faces_a.tar", info.name, "some/repo", f"p/{name}.jpg", "CC BY 4.0", size, larger])
    with open(folder / "faces_index.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["shard", "key", "repo", "path", "licence", "size", "larger_version_of_curated"])
        writer.writerows(rows)


def test_stills_are_rgb_and_larger_versions_replace_smaller(tmp_path: Path) -> None:
    _archive(tmp_path)
    stills = list(read_stills(tmp_path, 64))
    assert [still.key for still in stills] == ["faces_a.tar:64/two.jpg", "faces_a.tar:128/big.jpg"]
    assert stills[0].image[0, 0, 0] > 200 > stills[0].image[0, 0, 2]
    assert [still.licence for still in stills] == ["CC BY 4.0"] * 2
    assert [still.image.shape for still in read_stills(tmp_path, 100)] == [(128, 128, 3)]


def test_index_and_archive_must_agree(tmp_path: Path) -> None:
    _archive(tmp_path)
    text = (tmp_path / "faces_index.csv").read_text().replace("64/two.jpg", "64/none.jpg")
    (tmp_path / "faces_index.csv").write_text(text)
    with pytest.raises(ValueError, match="does not hold 64/none.jpg"):
        list(read_stills(tmp_path, 64))


def test_identities_of_one_person_stay_together() -> None:
    smiling, neutral = (identity_of("debruine/webmorphR.stim", f"inst/x/017_0{n}.jpg") for n in (3, 8))
    assert smiling == neutral != identity_of("debruine/webmorphR.stim", "inst/x/018_03.jpg")
    share = np.mean([held_out(f"repo/{n}") for n in range(5000)])
    assert 0.01 < share < 0.03


def test_shards_round_trip_and_stay_small(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    lengths = (1, 2, 1, 3)
    sources = [
        (
            f"n{i}",
            "free",
            rng.integers(0, 256, (n, 32, 32, 3)).astype(np.uint8),
            rng.random((n, LANDMARKS, 2)).astype(np.float32),
        )
        for i, n in enumerate(lengths)
    ]
    assert len(write_shards(tmp_path, "clips-x", 32, sources, 3 * 32 * 32 * 3)) == 3
    faces = read_shards(tmp_path, "clips-x", 32)
    assert faces.names == ("n0", "n1", "n2", "n3") and faces.licences == ("free",) * 4
    assert faces.size == 32 and len(faces) == 7
    for number, (_, _, images, landmarks) in enumerate(sources):
        assert np.array_equal(faces.images[faces.clip(number)].transpose(0, 2, 3, 1), images)
        assert np.array_equal(faces.landmarks[faces.clip(number)], landmarks)


def test_missing_and_bad_shards_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="python -m train.data.pack"):
        read_shards(tmp_path, "stills-train", 64)
    (tmp_path / "stills-train-64-000.safetensors").write_bytes(b"no")
    with pytest.raises(ValueError, match="is not a shard of faces"):
        read_shards(tmp_path, "stills-train", 64)
    with pytest.raises(ValueError, match="has 1 landmarks"):
        FaceSet(np.zeros((2, 3, 8, 8), np.uint8), np.zeros((1, LANDMARKS, 2)), ("a",), np.array([0, 2]), ("",))


def test_face_crops_are_stable_and_framed_like_the_stills() -> None:
    """A face that jitters by detection noise and drifts: the crop does not jitter, the eyes stay on their line."""
    rng = np.random.default_rng(0)
    base = synthetic_landmarks(rng)
    pictures = [np.full((200, 300, 3), 80, np.uint8) for _ in range(40)]
    noise, calls = rng.normal(0, 1.0, (40, 2)), iter(range(40))

    def find(picture: np.ndarray) -> np.ndarray | None:
        t = next(calls)
        if t % 10 == 5:
            return None
        return ((base * 100 + [80 + t, 50] + noise[t]) / [300, 200]).astype(np.float32)

    clip = cut_face("a", pictures, find, 64)
    assert clip is not None and clip.images.shape == (40, 64, 64, 3)
    right, left = eye_centres(clip.landmarks)
    middle = (right + left) / 2
    assert np.abs(middle.mean(0) - [0.5, EYE_LINE]).max() < 0.02
    assert abs(1 / np.linalg.norm(left - right, axis=1).mean() - EYE_SHARE) < 0.05
    # What remains in the crop is the noise itself: the crop's place hardly follows it.
    side = np.linalg.norm(left - right, axis=1).mean()
    assert np.std(np.diff(middle[:, 0])) * 100 * 0.9 / side < 12


def test_clips_without_a_steady_or_large_face_are_refused() -> None:
    pictures = [np.zeros((100, 100, 3), np.uint8)] * 20
    small = (synthetic_landmarks(np.random.default_rng(0)) * 0.1).astype(np.float32)
    assert cut_face("a", pictures, lambda p: None, 64) is None
    assert cut_face("a", pictures, lambda p: small, 64) is None
    assert cut_face("a", pictures[:4], lambda p: small, 64) is None


def test_crop_samples_the_right_pixels() -> None:
    picture = np.arange(64 * 64, dtype=np.int64).reshape(64, 64) % 251
    rgb = np.repeat(picture[:, :, None], 3, 2).astype(np.uint8)
    assert np.array_equal(crop(rgb, np.array([10.0, 20.0]), 16, 16), rgb[20:36, 10:26])


def test_batches_flip_pictures_and_maps_alike(faces: Faces) -> None:
    places = np.arange(4)
    plain, flipped = faces.take(places), faces.take(places, torch.tensor([True, False, True, False]))
    for kind in ("images", "structure"):
        a, b = getattr(plain, kind), getattr(flipped, kind)
        assert torch.equal(a[::2].flip(-1), b[::2]) and torch.equal(a[1::2], b[1::2])
        assert a.abs().max() <= 1
    a, b = (faces.draw(5, np.random.default_rng(3)) for _ in range(2))
    assert torch.equal(a.images, b.images)


def test_sequences_are_consecutive(faces: Faces) -> None:
    places = faces.draw_sequences(6, 5, np.random.default_rng(0))
    assert places.shape == (6, 5) and (np.diff(places, axis=1) == 1).all()
    with pytest.raises(ValueError, match="no clip of 100 pictures"):
        faces.draw_sequences(1, 100, np.random.default_rng(0))


def test_damage_leaves_nothing_in_the_hole(faces: Faces) -> None:
    batch = faces.take(np.arange(6))
    masks = draw_masks(list(MASKS.values()), 6, 32, np.random.default_rng(0), torch.device("cpu"))
    damaged = damage(batch.images, masks)
    assert (damaged * masks == 0).all() and torch.equal(damaged * (1 - masks), batch.images * (1 - masks))


def test_pseudo_sequences_move_smoothly_and_landmarks_follow() -> None:
    """A blob at every landmark must be where `move_landmarks` says."""
    rng = np.random.default_rng(0)
    points = torch.tensor([[[0.3, 0.4], [0.7, 0.35], [0.5, 0.7]]])
    ys, xs = np.indices((128, 128)) / 128 + 0.5 / 128
    blobs = [np.exp(-((xs - x) ** 2 + (ys - y) ** 2) / 0.001) for x, y in points[0].tolist()]
    still = torch.from_numpy(np.stack(blobs).astype(np.float32))[None] * 2 - 1
    motion = draw_motion(1, 12, rng)
    motion = Motion(motion.affine, motion.bend, motion.light * 0 + torch.tensor([1.0, 0.0, 0.0]))
    moved = move_pictures(still, motion, 3)
    places = move_landmarks(points, motion)
    assert moved.shape == (1, 12, 3, 128, 128) and places.shape == (1, 12, 3, 2)
    for t in range(12):
        for k in range(3):
            y, x = np.unravel_index(int(moved[0, t, k].argmax()), (128, 128))
            assert np.abs(np.array([x, y]) / 128 - places[0, t, k].numpy()).max() < 0.02
    step = (places[0, 1:] - places[0, :-1]).abs().max()
    assert 1e-4 < step < 0.06


def test_pseudo_light_changes_pictures_but_not_maps() -> None:
    motion = draw_motion(2, 3, np.random.default_rng(1))
    rest = Motion(torch.eye(2, 3).expand(2, 3, 2, 3), motion.bend * 0, motion.light)
    still = torch.rand(2, 6, 32, 32) * 0.5
    moved = move_pictures(still, rest, 3)
    assert torch.allclose(moved[:, :, 3:], still[:, None, 3:].expand(-1, 3, -1, -1, -1), atol=1e-5)
    assert (moved[:, :, :3] - still[:, None, :3]).abs().max() > 0.01


def test_labels_turn_with_the_mirror() -> None:
    names = dict(enumerate(CLASSES))
    face = torch.from_numpy(synthetic_landmarks(np.random.default_rng(0)))[None]
    turned = face.clone()
    nose, mouth = _part("nose"), _part("mouth")
    turned[:, nose, 0] -= 0.05
    shut = turned.clone()
    shut[:, mouth, 1] = shut[:, mouth, 1].mean()
    assert [names[int(labels_of(f))] for f in (face, turned, shut)] == ["front, open", "left, open", "left, closed"]
    labels = torch.arange(len(CLASSES))
    assert [names[int(m)] for m in mirrored(labels)[:2]] == ["right, closed", "right, open"]
    assert torch.equal(mirrored(mirrored(labels)), labels)


def _part(name: str) -> slice:
    start = 0
    for region in REGIONS:
        if region.name == name:
            return slice(start, start + len(region.mesh))
        start += len(region.mesh)
    raise KeyError(name)
