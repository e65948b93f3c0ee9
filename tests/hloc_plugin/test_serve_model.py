"""The second tab of ``serve``: photos of a rendered room become a model in metres, in which two clicks measure."""

import socket
import zipfile
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from support.browser import drawn_charts, find_browser, open_page
from support.rendered_scenes import write_view

from mickey_hloc.cli.web_model import answer, clicked
from mickey_hloc.cli.web_uploads import Limits
from mickey_hloc.metric.measuring import measure
from mickey_hloc.rooms.walk import sample_walk

pytest.importorskip("plotly", reason="plotly is not installed (pip install 'mickey-hloc[web]')")
SIZE = (480, 360)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], float]:
    """Photos, and their focal length in pixels."""
    folder = tmp_path_factory.mktemp("photos")
    views, _ = sample_walk(0, 6, SIZE)
    for number, view in enumerate(views):
        write_view(folder / f"{number}.jpg", view)
    return [str(folder / f"{number}.jpg") for number in range(6)], float(views[0].K[0, 0])


def test_a_model_in_metres_and_a_length_in_it(upstream: ModuleType, photos: tuple[list[str], float]) -> None:
    files, focal_px = photos
    words, frame, kept = answer(files, "SIFT", focal_px, Limits())
    assert "6 of 6 images are in the model" in words
    assert "One unit of the model is" in words
    assert "data:image/jpeg" not in frame  # photos are on the cameras of the scene
    assert "Image by image" in frame
    assert kept is not None
    assert kept.relative_std == pytest.approx(0.2, abs=0.1)  # learned depth
    assert list(kept.photos) == [Path(file).name for file in files]
    first, second = (150.0, 120.0), (330.0, 250.0)
    shown, said, clicks = clicked(kept, "2.jpg", [], first)
    assert said == "Click a second point."
    shown, said, clicks = clicked(kept, "2.jpg", clicks, second)
    assert shown is not None
    assert (shown != kept.photos["2.jpg"]).any()
    expected = measure(kept.model, "2.jpg", np.array([first, second])).length
    assert float(said.split()[0]) == pytest.approx(expected, rel=0.05)
    assert " m, 95 % between" in said
    assert clicked(kept, "2.jpg", clicks, first)[2] == [first]  # a third click begins anew
    assert "no model any more" in clicked(None, "2.jpg", [], first)[1]


def test_a_zip_in_the_browser(upstream: ModuleType, photos: tuple[list[str], float], tmp_path: Path) -> None:
    pytest.importorskip("gradio", reason="gradio is not installed (pip install 'mickey-hloc[web]')")
    from mickey_hloc.cli.web_page import build_page, launch

    find_browser()
    with zipfile.ZipFile(tmp_path / "room.zip", "w") as file:
        for photo in photos[0]:
            file.write(photo, f"room/{Path(photo).name}")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    page = build_page(Limits())
    launch(page, "127.0.0.1", port, 25, block=False)
    try:
        with open_page(f"http://127.0.0.1:{port}") as seen:
            tab = seen.page
            tab.get_by_role("tab", name="A model in metres").click()
            tab.locator("#photos input[type=file]").set_input_files(tmp_path / "room.zip")
            tab.locator("#photos").get_by_text("room").first.wait_for()
            tab.locator("#model-focal input").fill(f"{photos[1]:.1f}")
            tab.locator("#make-model").click()
            says = "([field, part]) => document.querySelector(field + ' textarea').value.includes(part)"
            tab.wait_for_function(says, arg=["#model-words", "6 of 6 images are in the model"])
            frame = tab.frame_locator("#model-report iframe")
            frame.locator(".gl-container canvas").first.wait_for()
            assert drawn_charts(tab.locator("#model-report iframe").element_handle().content_frame()) == 1
            picture = tab.locator("#clicked-photo img")
            for at in ({"x": 100, "y": 80}, {"x": 200, "y": 140}):
                picture.click(position=at)
                tab.wait_for_function(says, arg=["#length", "Click a second" if at["x"] == 100 else "95 % between"])
            assert not [url for url in seen.requests if not url.startswith(f"http://127.0.0.1:{port}")]
    finally:
        page.close()
