"""``mickey-hloc serve``: two photos in, the pose and pictures out; everything else is one sentence."""

import shutil
import socket
import tempfile
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from support.browser import WAIT_MS, find_browser, open_page, overflow_px

from mickey_hloc.cli import main
from mickey_hloc.cli.web_page import build_page, launch
from mickey_hloc.cli.web_pose import METHODS, answer
from mickey_hloc.cli.web_uploads import Limits, upright
from mickey_hloc.datasets.example import FOLDER, NAMES
from mickey_hloc.io.images import exif_focal_px, read_image

pytest.importorskip("gradio", reason="gradio is not installed (pip install 'mickey-hloc[web]')")
pytest.importorskip("plotly", reason="plotly is not installed (pip install 'mickey-hloc[web]')")
SMALL = next(iter(METHODS))


@pytest.fixture
def photos(tmp_path: Path) -> tuple[str, str]:
    for name in NAMES:
        shutil.copy(FOLDER / name, tmp_path)
    return str(tmp_path / NAMES[0]), str(tmp_path / NAMES[1])


def ask(file0: str | None, file1: str | None, focal: float | None = 517.0, megapixels: int = 50) -> tuple[str, str]:
    return answer(file0, file1, SMALL, focal, Limits(megapixels), None)


def test_the_pose_of_two_photos_in_words_and_as_a_frame(photos: tuple[str, str]) -> None:
    words, frame = ask(*photos)
    assert "Seen from reference.jpg, query.jpg stands" in words
    assert frame.startswith('<iframe sandbox="allow-scripts"')
    assert "data:image/jpeg;base64" in frame
    assert frame.count("<") == 2  # the page inside is an escaped attribute


def test_what_cannot_be_used_is_one_sentence_without_this_machines_folders(
    photos: tuple[str, str], tmp_path: Path
) -> None:
    (tmp_path / "notes.txt").write_text("no photo")
    for files, focal, megapixels, expected in (
        ((photos[0], str(tmp_path / "notes.txt")), 517.0, 50, "notes.txt is not an image"),
        ((photos[0], None), 517.0, 50, "Two photos are needed"),
        (photos, None, 50, "no focal length in its EXIF data; say it in the field below the photos"),
        (photos, -3.0, 50, "a number of pixels above 0"),
        (photos, float("nan"), 50, "a number of pixels above 0"),
        (photos, 28.0, 50, "reference.jpg: 28 pixels are a view of"),
    ):
        words, frame = ask(*files, focal=focal, megapixels=megapixels)
        assert expected in words
        assert str(tmp_path) not in words
        assert frame == ""
    Image.new("RGB", (1500, 1000)).save(tmp_path / "large.png")
    assert "large.png has 2 megapixels; at most 1 are taken" in ask(photos[0], str(tmp_path / "large.png"), 9.0, 1)[0]


def test_a_photo_that_its_exif_data_turn_is_turned(photos: tuple[str, str], tmp_path: Path) -> None:
    before = Path(photos[1]).read_bytes()
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned by 90 degrees to the right
    exif[0x8769] = {0xA405: 29}
    turned = tmp_path / "turned.jpg"
    Image.open(photos[1]).transpose(Image.Transpose.ROTATE_90).save(turned, exif=exif, quality=95)
    upright(turned, Limits())
    assert read_image(turned).shape == read_image(Path(photos[1])).shape
    assert exif_focal_px(turned) is not None
    words, frame = ask(photos[0], str(turned))
    assert "turned.jpg stands" in words
    assert frame
    assert Path(photos[1]).read_bytes() == before  # the upload itself is as it was


def test_nothing_is_kept(photos: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    assert ask(*photos)[1]
    assert not ask(photos[0], photos[1], None)[1]
    assert not list(place.iterdir())


def test_wrong_options_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--port", "0"]) == 2
    assert "--port is between 1 and 65535" in capsys.readouterr().err


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def fill(tab: Any, photo0: str, photo1: str) -> None:
    """Both files, the focal length, and a click on the button."""
    for place, photo in (("#reference", photo0), ("#query", photo1)):
        tab.locator(f"{place} input[type=file]").set_input_files(photo)
        tab.locator(place).get_by_text(Path(photo).stem).first.wait_for()
    tab.locator("#focal input").fill("517")
    tab.locator("#estimate").click()


def words_with(tab: Any, part: str, field: str = "#words") -> str:
    """What the field says when it says the part."""
    tab.wait_for_function(
        "([field, part]) => document.querySelector(field + ' textarea').value.includes(part)", arg=[field, part]
    )
    return str(tab.locator(f"{field} textarea").input_value())


def test_photos_and_a_text_file_in_the_browser(photos: tuple[str, str], tmp_path: Path) -> None:
    find_browser()
    port, page = free_port(), build_page(Limits())
    launch(page, "127.0.0.1", port, 25, block=False)
    (tmp_path / "notes.txt").write_text("no photo")
    address = f"http://127.0.0.1:{port}"
    try:
        with open_page(address) as seen:
            tab = seen.page
            for name, field in (("A model in metres", "#model-focal"), ("Two photos", "#focal")):
                tab.get_by_role("tab", name=name).click()
                tab.wait_for_function("field => document.querySelector(field + ' input')?.value === ''", arg=field)
            fill(tab, photos[0], str(tmp_path / "notes.txt"))
            assert str(tmp_path) not in words_with(tab, "notes.txt is not an image")
            assert tab.locator("#report iframe").count() == 0
            tab.goto(address)
            fill(tab, *photos)
            words_with(tab, "Seen from reference.jpg, query.jpg stands")
            frame = tab.frame_locator("#report iframe")
            frame.locator(".gl-container canvas").first.wait_for(timeout=WAIT_MS)
            assert frame.locator("img").count() == 6
            chart = frame.locator(".plotly-graph-div").first
            for x, z in ((0, 0), (3, 4)):
                chart.evaluate(f"chart => chart.emit('plotly_click', {{points: [{{x: {x}, y: 0, z: {z}}}]}})")
            assert "5.000 m between the two points" in frame.locator(".measure").inner_text()
            assert overflow_px(tab) <= 0
            assert not [url for url in seen.requests if not url.startswith(address)]
    finally:
        page.close()
