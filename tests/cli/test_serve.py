"""``mickey-hloc serve``: two photos in, the pose and pictures out; everything else is one sentence."""

import shutil
import socket
from pathlib import Path

import pytest
from PIL import Image
from support.browser import WAIT_MS, find_browser, open_page

from mickey_hloc.cli import main
from mickey_hloc.cli.web_page import METHODS, answer, build_page, launch
from mickey_hloc.datasets.example import FOLDER, NAMES

pytest.importorskip("gradio", reason="gradio is not installed (pip install 'mickey-hloc[web]')")
pytest.importorskip("plotly", reason="plotly is not installed (pip install 'mickey-hloc[web]')")
SMALL, SIFT = list(METHODS)[:2]


@pytest.fixture
def photos(tmp_path: Path) -> tuple[str, str]:
    for name in NAMES:
        shutil.copy(FOLDER / name, tmp_path)
    return str(tmp_path / NAMES[0]), str(tmp_path / NAMES[1])


def ask(file0: str | None, file1: str | None, focal: float | None = 517.0, megapixels: int = 50) -> tuple[str, str]:
    return answer(file0, file1, SMALL, focal, megapixels, None)


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
    ):
        words, frame = ask(*files, focal=focal, megapixels=megapixels)
        assert expected in words
        assert str(tmp_path) not in words
        assert frame == ""
    Image.new("RGB", (1500, 1000)).save(tmp_path / "large.png")
    assert "large.png has 2 megapixels; at most 1 are taken" in ask(photos[0], str(tmp_path / "large.png"), 9.0, 1)[0]


def test_wrong_options_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--port", "0"]) == 2
    assert "--port is between 1 and 65535" in capsys.readouterr().err


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_photos_and_a_text_file_in_the_browser(photos: tuple[str, str], tmp_path: Path) -> None:
    find_browser()
    port, page = free_port(), build_page(50)
    launch(page, "127.0.0.1", port, 25, block=False)
    (tmp_path / "notes.txt").write_text("no photo")
    try:
        with open_page(f"http://127.0.0.1:{port}") as seen:
            tab = seen.page
            inputs = tab.locator("input[type=file]")
            inputs.nth(1).wait_for(state="attached")
            inputs.nth(0).set_input_files(photos[0])
            tab.get_by_text("reference.jpg").first.wait_for()
            inputs = tab.locator("input[type=file]")
            inputs.last.set_input_files(photos[1])
            tab.get_by_text("query.jpg").first.wait_for()
            tab.locator("input[type=number]").fill("517")
            tab.locator("#estimate").click()
            words = tab.locator("#words textarea")
            tab.wait_for_function("document.querySelector('#words textarea').value.length > 0", timeout=WAIT_MS)
            assert "Seen from reference.jpg, query.jpg stands" in words.input_value()
            frame = tab.frame_locator("#report iframe")
            frame.locator(".gl-container canvas").first.wait_for(timeout=WAIT_MS)
            assert frame.locator("img").count() == 6
            outside = [url for url in seen.requests if not url.startswith(f"http://127.0.0.1:{port}")]
            assert not outside
    finally:
        page.close()
