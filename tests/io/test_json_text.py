"""Json that is damaged, or nested until Python's parser gives up, is one sentence wherever files carry it."""

from pathlib import Path

import pytest

from mickey_hloc.benchmark.task import IMAGE_SIZES, PoseTask
from mickey_hloc.confidence.calibration import parse_calibrations
from mickey_hloc.engine.shards import ShardFolder
from mickey_hloc.errors import InputError, WeightsError
from mickey_hloc.io.json_text import parse_json
from mickey_hloc.io.origin import ORIGIN_KEY, check_origin, origin_values
from mickey_hloc.metric.rewriting import REPORT, read_report
from mickey_hloc.weights.metadata import METADATA_KEY, parse_options

BAD = pytest.mark.parametrize(
    "text", ["{", "[" * 100_000, '{"a":' * 100_000, "null", "[1]"], ids=["0", "1", "2", "3", "4"]
)


def test_values_are_those_of_json() -> None:
    assert parse_json('{"a": [1, null]}') == {"a": [1, None]}


@BAD
def test_what_files_say_of_their_making(text: str) -> None:
    assert origin_values({ORIGIN_KEY: text}) == {}
    with pytest.raises(InputError, match="made otherwise"):
        check_origin(text, '{"a": 1}', Path("feats.h5"))


@BAD
def test_calibrations_and_options_of_networks(text: str) -> None:
    with pytest.raises(InputError, match=r"is not json|holds no calibrations"):
        parse_calibrations(text, "mine.json")
    with pytest.raises(WeightsError, match="cannot be used"):
        parse_options({METADATA_KEY: text}, Path("mine.safetensors"))


@pytest.mark.parametrize("text", ["{", "[" * 100_000, "null", '{"a.jpg": Infinity, "shards": Infinity, "items": ""}'])
def test_records_beside_outputs(tmp_path: Path, text: str) -> None:
    (tmp_path / REPORT).write_text(text)
    with pytest.raises(InputError, match="cannot be read"):
        read_report(tmp_path)
    (tmp_path / IMAGE_SIZES).write_text(text)
    with pytest.raises(InputError, match="is damaged"):
        PoseTask(tmp_path, {}, {}, tmp_path).check_images()
    folder = ShardFolder(tmp_path / "feats.h5")
    folder.store.write_text("plan.json", text)
    with pytest.raises(InputError, match="is damaged"):
        folder.old_plan()
