"""What is uploaded for a model: photos, zips of photos, a video; within limits, and nothing outside of its folder."""

import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from mickey_hloc.cli.web_model import answer
from mickey_hloc.cli.web_uploads import Limits, photos_of
from mickey_hloc.errors import InputError


def photo(path: Path, size: tuple[int, int] = (64, 48), seed: int = 0) -> Path:
    pixels = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "folder"
    made.mkdir()
    return made


def test_photos_and_zips_of_photos(tmp_path: Path, folder: Path) -> None:
    archive = tmp_path / "more.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.write(photo(tmp_path / "c.png"), "walk/c.png")
        file.write(photo(tmp_path / "d.png"), "../../outside/d.png")  # not taken
        file.writestr("walk/notes.txt", "not taken")
        file.writestr("__MACOSX/walk/._c.png", "not taken")
    files = [photo(tmp_path / "a photo.jpg"), photo(tmp_path / "b.png"), archive]
    assert photos_of(files, folder, Limits()) == (["a_photo.jpg", "b.png", "c.png"], False)
    assert sorted(path.name for path in folder.iterdir()) == ["a_photo.jpg", "b.png", "c.png"]
    assert not list(tmp_path.rglob("outside"))


def test_a_video_becomes_its_frames(tmp_path: Path, folder: Path) -> None:
    video = tmp_path / "walk.avi"
    wide = np.asarray(Image.open(photo(tmp_path / "wide.png", (900, 240))).resize((900, 240)))
    wide = cv2.GaussianBlur(wide, (0, 0), 3)
    writer = cv2.VideoWriter(str(video), cv2.VideoWriter_fourcc(*"MJPG"), 10, (320, 240))
    for x in range(0, 500, 10):
        writer.write(np.ascontiguousarray(wide[:, x : x + 320]))
    writer.release()
    names, in_order = photos_of([video], folder, Limits(photos=5))
    assert in_order
    assert 2 <= len(names) <= 5
    with pytest.raises(InputError, match="upload it alone"):
        photos_of([video, photo(tmp_path / "a.jpg")], folder, Limits())


def test_what_cannot_be_a_model_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no photo")
    (tmp_path / "broken.zip").write_bytes(b"PK\x03\x04 no zip")
    with zipfile.ZipFile(tmp_path / "words.zip", "w") as file:
        file.writestr("notes.txt", "no photo")
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("large.jpg", bytes(3_000_000))
    with zipfile.ZipFile(tmp_path / "many.zip", "w") as file:
        for i in range(4):
            file.write(photo(tmp_path / "a.jpg"), f"{i}.jpg")
    a, b = photo(tmp_path / "a.jpg"), photo(tmp_path / "b.jpg")
    for files, expected in (
        ([a, tmp_path / "notes.txt"], "notes.txt is not an image"),
        ([a], "1 photos were uploaded; a model takes 2 to 3"),
        ([a, b, photo(tmp_path / "c.jpg"), photo(tmp_path / "d.jpg")], "4 photos were uploaded"),
        ([a, photo(tmp_path / "again" / "a.jpg")], "Two photos are called a.jpg"),
        ([a, photo(tmp_path / "large.png", (1500, 1000))], "large.png has 2 megapixels; at most 1 are taken"),
        ([tmp_path / "broken.zip"], "broken.zip is not a zip file that can be read"),
        ([tmp_path / "words.zip"], "words.zip has no photos"),
        ([tmp_path / "bomb.zip"], "large.jpg in the zip is larger than 1 MB"),
        ([tmp_path / "many.zip"], "many.zip has 4 photos; at most 3 are taken"),
    ):
        words, frame, kept = answer([str(file) for file in files], "SIFT", None, Limits(1, 1, 3))
        assert expected in words
        assert str(tmp_path) not in words
        assert "/" not in words.split(";")[0]
        assert frame == ""
        assert kept is None
    assert "Photos are needed" in answer(None, "SIFT", None, Limits())[0]
    assert "a number of pixels above 0" in answer([str(a), str(b)], "SIFT", -1.0, Limits())[0]
