"""Yaml of others: values, or one sentence; no text takes more memory or time than its length allows."""

from pathlib import Path

import pytest

from mickey_hloc.cli import main
from mickey_hloc.registry.yaml_text import parse_yaml

LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 10)
)
WRONG = {
    "deep list": ("a: " + "[" * 3000 + "]" * 3000, "nested too deeply"),
    "deep mapping": ("{a: " * 3000 + "1" + "}" * 3000, "nested too deeply"),
    "a little too deep": ("[" * 60 + "]" * 60, "nested too deeply"),
    "billion laughs": (LAUGHS, "more than 100000 values"),
    "contains itself": ("a: &a [*a]", "nested too deeply"),
    "mapping contains itself": ("model: &m {model: *m}", "nested too deeply"),
    "no such day": ("a: 2020-02-31", "day is out of range"),
    "code": ("!!python/object/apply:os.system [touch trace]", "could not determine a constructor"),
    "tab": ("a:\n\tb: 1", "cannot start any token"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_text_that_is_no_sensible_yaml_is_one_line(kind: str) -> None:
    text, message = WRONG[kind]
    with pytest.raises(ValueError, match=message) as caught:
        parse_yaml(text)
    assert "\n" not in str(caught.value)


def test_values_and_aliases_are_read() -> None:
    inner = {"b": [1, 2.5, "x", None]}
    assert parse_yaml("a: &a {b: [1, 2.5, x, null]}\nc: *a") == {"a": inner, "c": inner}
    assert parse_yaml("") is None


@pytest.mark.parametrize("kind", WRONG)
def test_every_command_that_reads_yaml_refuses_it(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("lightning")
    pytest.importorskip("tensorboard")
    file = tmp_path / "wrong.yaml"
    file.write_text(WRONG[kind][0])
    good = tmp_path / "good.yaml"
    good.write_text("name: x\n")
    for command in (
        ["train", str(file)],
        ["train", str(good), "--set", f"model.encoder_options={WRONG[kind][0]}"],
        ["benchmark", "grid", str(file), "--dataset", str(tmp_path), "--output", str(tmp_path / "out")],
    ):
        assert main(command) == 2
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        assert "Traceback" not in said
