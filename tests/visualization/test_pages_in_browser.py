"""Pages as a reader has them: opened from disk in a browser, wide and on a phone, light and dark."""

from pathlib import Path

import numpy as np
import pycolmap
import pytest
from PIL import Image
from support.browser import drawn_charts, find_browser, open_page, overflow_px

from mickey_hloc.visualization import Page, SceneCamera, ScenePoints, draw_scene
from mickey_hloc.visualization.charts import cumulative_chart

pytestmark = pytest.mark.usefixtures("browser")
K = np.array([[60.0, 0, 39.5], [0, 60, 29.5], [0, 0, 1]])


@pytest.fixture(scope="module")
def browser() -> str:
    pytest.importorskip("plotly")
    return find_browser()


@pytest.fixture(scope="module")
def report(browser: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Red points to the right of the camera, blue ones below it, and more than a phone is wide of everything."""
    near = np.random.default_rng(0).normal(0, 0.05, (60, 3))
    points = [
        ScenePoints("right", near + np.array([1.0, 0.0, 2.0]), "#ff0000", 8),
        ScenePoints("below", near + np.array([0.0, 1.0, 2.0]), "#0000ff", 8),
    ]
    image = np.full((60, 80, 3), 90, np.uint8)
    camera = SceneCamera("photo.jpg", K, (80, 60), pycolmap.Rigid3d(), image)
    page = Page("a_rather_long_name_of_a_photo_without_any_break_in_it_at_all.png", "moved")
    page.charts([("scene", draw_scene([camera], points))], height_px=500)
    page.charts([("errors", cumulative_chart({"m": np.array([1.0, 2.0])}, "error (m)", 3.0))] * 2)
    page.table([f"column {i}" for i in range(20)], [["a cell"] * 20] * 3)
    page.pictures([("wide", np.full((100, 1300, 3), 200, np.uint8)), ("narrow", np.full((100, 300, 3), 9, np.uint8))])
    page.numbers({"a name": list(np.linspace(0, 1, 40))})
    return page.write(tmp_path_factory.mktemp("page") / "report.html")


@pytest.mark.parametrize(("width", "scheme"), [(1400, "light"), (390, "dark")])
def test_a_page_opens_without_network_errors_or_sideways_scrolling(report: Path, width: int, scheme: str) -> None:
    with open_page(report, width, scheme) as seen:
        assert drawn_charts(seen.page) == 3
        assert seen.page.locator("table").count() == 2
        assert seen.page.locator(".gl-container canvas").first.bounding_box()["height"] > 100
        assert overflow_px(seen.page) <= 0
        background = seen.page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (background == "rgb(255, 255, 255)") == (scheme == "light")
        assert not seen.errors
        assert not seen.requests


@pytest.mark.parametrize("width", [700, 1200, 1600])
def test_charts_stay_within_their_halves_of_a_row(report: Path, width: int) -> None:
    with open_page(report, width) as seen:
        drawn_charts(seen.page)
        boxes = [chart.bounding_box() for chart in seen.page.locator(".plotly-graph-div").all()]
        drawings = [chart.bounding_box() for chart in seen.page.locator(".main-svg:first-child").all()]
    assert [drawing["width"] for drawing in drawings] == pytest.approx([box["width"] for box in boxes], abs=1)


def test_right_is_right_and_down_is_down_in_the_first_look(report: Path, tmp_path: Path) -> None:
    with open_page(report) as seen:
        drawn_charts(seen.page)
        seen.page.wait_for_timeout(2000)  # WebGL draws once more after it has measured its texts
        seen.page.locator(".plotly-graph-div").first.screenshot(path=tmp_path / "scene.png")
        numbers = seen.page.evaluate(
            "() => { const t = document.querySelector('.plotly-graph-div')._fullData.find(t => t.name === 'photo.jpg');"
            " return [t.x[0], t.y[0], t.z[0]]; }"
        )
    assert numbers == [0, 0, 0]  # the camera's centre, as the browser has it
    picture = np.asarray(Image.open(tmp_path / "scene.png").convert("RGB")).astype(int)
    picture = picture[60:400]  # between the buttons and the legend
    red = np.argwhere((picture[..., 0] > 180) & (picture[..., 1:].max(axis=2) < 90)).mean(axis=0)
    blue = np.argwhere((picture[..., 2] > 180) & (picture[..., :2].max(axis=2) < 90)).mean(axis=0)
    assert red[1] > blue[1] + 20  # x points right
    assert blue[0] > red[0] + 20  # y points down


def test_two_clicks_in_a_scene_measure_a_distance(report: Path) -> None:
    click = "chart => chart.emit('plotly_click', {points: [{x: %d, y: 0, z: %d}]})"
    with open_page(report) as seen:
        drawn_charts(seen.page)
        chart = seen.page.locator(".plotly-graph-div").first
        assert seen.page.locator(".measure").count() == 1  # of three charts one is a scene
        chart.evaluate(click % (0, 0))
        chart.evaluate(click % (3, 4))
        assert "5.000 m between the two points" in seen.page.locator(".measure").inner_text()


def test_a_click_shows_a_picture_in_its_own_size(report: Path) -> None:
    with open_page(report, 390) as seen:
        drawn_charts(seen.page)
        picture = seen.page.locator("figure img").first
        assert picture.bounding_box()["width"] < 390
        picture.click()
        assert picture.bounding_box()["width"] == 1300
        assert overflow_px(seen.page) <= 0  # it scrolls in a window of its own
        picture.click(position={"x": 100, "y": 50})
        assert picture.bounding_box()["width"] < 390


@pytest.mark.parametrize("width", [390, 1400])
def test_a_scene_is_seen_whole(report: Path, width: int) -> None:
    """The numbers of the axes, which are drawn beside the box, stay within the picture: its margin is empty."""
    with open_page(report, width) as seen:
        drawn_charts(seen.page)
        seen.page.wait_for_timeout(2000)
        target = report.with_name(f"scene{width}.png")
        seen.page.locator(".gl-container canvas").first.screenshot(path=target)
    picture = np.asarray(Image.open(target).convert("L")).astype(int)
    paper = picture[-3, 3]
    for margin in (picture[:, :4], picture[:, -4:], picture[-4:]):
        assert np.abs(margin - paper).max() < 12


def test_lengths_are_in_the_unit_of_the_scene(browser: str, tmp_path: Path) -> None:
    camera = SceneCamera("photo.jpg", K, (80, 60), pycolmap.Rigid3d())
    page = Page("a model", "without scale")
    page.charts([("scene", draw_scene([camera], [], axes="xyz", unit="units"))])
    with open_page(page.write(tmp_path / "model.html")) as seen:
        drawn_charts(seen.page)
        chart = seen.page.locator(".plotly-graph-div").first
        for z in (0, 2):
            chart.evaluate(f"chart => chart.emit('plotly_click', {{points: [{{x: 0, y: 0, z: {z}}}]}})")
        assert "2.000 units between the two points" in seen.page.locator(".measure").inner_text()
        note, caption = (seen.page.locator(name).bounding_box() for name in (".measure", "figcaption"))
        assert note["y"] + note["height"] <= caption["y"] + 1  # one below the other
