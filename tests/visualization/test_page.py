"""Pages: everything is inside, nothing of what they are given becomes code."""

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mickey_hloc.confidence.reliability import reliability_diagram
from mickey_hloc.visualization import Page
from mickey_hloc.visualization.charts import cumulative_chart, histogram, precision_recall_chart, reliability_chart

EVIL = "<img src=x onerror=alert(1)></script><b>\"&'"


class Balanced(HTMLParser):
    """Fails where tags are closed in another order than opened; keeps the texts and counts the tags."""

    VOID = frozenset({"meta", "img", "br", "link"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: dict[str, int] = {}
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags[tag] = self.tags.get(tag, 0) + 1
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def parsed(path: Path) -> Balanced:
    parser = Balanced()
    parser.feed(path.read_text(encoding="utf-8"))
    parser.close()
    assert not parser.open
    return parser


def full_page(text: str) -> Page:
    page = Page(text, text)
    page.heading(text)
    page.text(text)
    page.numbers({text: text, "list": [1.5, text]})
    page.table([text, "n"], [[text, "1"]], [False, True], folded=text)
    page.pictures([(text, np.zeros((20, 30, 3), np.uint8)), (text, np.zeros((20, 1200, 3), np.uint8))])
    return page


def test_a_page_holds_its_parts_and_no_address(tmp_path: Path) -> None:
    path = full_page("moved").write(tmp_path / "new" / "page.html", footer="mickey-hloc demo")
    content = path.read_text(encoding="utf-8")
    found = parsed(path)
    assert found.tags["img"] == 2
    assert found.tags["table"] == 2
    assert found.tags["details"] == 1
    assert "script" not in found.tags  # nothing to run where there is no chart
    assert not re.search(r"""(src|href)=["'](?!data:)""", content)
    assert "mickey-hloc demo" in content
    assert len(content) < 20_000


@settings(max_examples=40)
@given(text=st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1, max_size=40))
def test_no_text_becomes_html(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    plain = parsed(full_page("x").write(tmp_path_factory.mktemp("p") / "x.html"))
    for words in (text, EVIL + text):
        found = parsed(full_page(words).write(tmp_path_factory.mktemp("p") / "y.html"))
        assert found.tags == plain.tags
        assert words in "".join(found.texts)


def test_no_name_in_a_chart_ends_its_script(tmp_path: Path) -> None:
    pytest.importorskip("plotly")
    page = Page("t", "s")
    page.charts([("c", cumulative_chart({EVIL: np.array([1.0, np.inf])}, EVIL, 2.0))])
    found = parsed(page.write(tmp_path / "page.html"))
    assert found.tags.get("img", 0) == 0
    assert found.tags.get("b", 0) == 0


def test_a_failure_is_marked_and_wrong_pictures_are_refused(tmp_path: Path) -> None:
    path = Page("t", "No pose: too few", success=False).write(tmp_path / "f.html")
    assert '<body class="failed">' in path.read_text()
    with pytest.raises(ValueError, match="uint8"):
        Page("t", "s").pictures([("x", np.zeros((2, 2, 3)))])


def test_charts_show_the_numbers() -> None:
    pytest.importorskip("plotly")
    errors = np.array([0.1, 0.2, 0.4, np.inf])
    [line] = cumulative_chart({"m": errors}, "m", 1.0).data
    assert list(zip(line.x, line.y, strict=True)) == [(0, 0), (0.1, 0.25), (0.2, 0.5), (0.4, 0.75), (1.0, 0.75)]
    assert cumulative_chart({"none": np.full(3, np.inf)}, "m", 1.0).data[0].y.max() == 0
    [curve] = precision_recall_chart({"m": (np.array([1.0, 0.5]), np.array([0.25, 0.5]), 0.375)}, "right").data
    assert (list(curve.x), list(curve.y)) == ([0, 0.25, 0.5], [1, 1, 0.5])
    assert "0.375" in curve.name
    bars = reliability_chart(reliability_diagram(np.array([0.05, 0.95, 0.96]), np.array([False, True, False]))).data[1]
    assert list(bars.y) == [0, 0.5]
    np.testing.assert_allclose(bars.x, [0.05, 0.95])
    assert list(bars.text) == ["1", "2"]
    assert list(histogram(np.array([0.1, 0.9, 0.95]), "c", bins=2).data[0].y) == [1, 2]


def test_names_that_are_no_utf8_are_on_the_page_with_escapes(tmp_path: Path) -> None:
    go = pytest.importorskip("plotly.graph_objects")
    page = Page("caf\udce9.jpg", "A photo.")
    page.charts([("caf\udce9", go.Figure(layout={"title": {"text": "caf\udce9"}}))])
    page.text("caf\udce9")
    text = page.write(tmp_path / "page.html").read_text(encoding="utf-8")
    assert "caf\\udce9" in text
