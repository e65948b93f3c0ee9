"""What a user sees: the word that was meant, outputs checked before the work, names without effect on the terminal."""

import io
import os
import signal
import sys
from pathlib import Path

import pytest

from mickey_hloc.cli import main, run_command
from mickey_hloc.cli.terminal import plain, say
from mickey_hloc.errors import InputError
from mickey_hloc.io.files import check_writable, temporary_path


@pytest.mark.parametrize(
    ("arguments", "usage", "meant"),
    [
        (["match", "pairs.txt", "--features", "f.h5", "--output", "m.h5", "--matchr=nn"], "match", "--matcher"),
        (["localize", "p.txt", "--references", "r", "--output", "o.txt", "--min-inlier-count", "3"], "localize", ""),
        (["mtach"], "", "match"),
        (["evaluate", "mapfre"], "evaluate", "mapfree"),
    ],
)
def test_a_typo_names_what_was_meant(capsys: pytest.CaptureFixture[str], arguments, usage: str, meant: str) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith(f"usage: mickey-hloc {usage}".rstrip())
    assert not meant or f"did you mean {meant}?" in said


@pytest.mark.parametrize(
    ("name", "is_file", "message"),
    [
        ("folder", True, "is a folder; name a file"),
        ("file", False, "is a file; name a folder"),
        ("file/out.h5", True, "is a file"),
        ("file/a/b/out", False, "is a file"),
        ("x" * 300, True, ""),
    ],
)
def test_places_that_cannot_be_written_are_refused(tmp_path: Path, name: str, is_file: bool, message: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    if message:
        with pytest.raises(InputError, match=message):
            check_writable(tmp_path / name, is_file)
    check_writable(tmp_path / "new" / "out.h5", True)
    assert not (tmp_path / "new").exists()


def test_an_output_is_checked_before_the_work(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    arguments = ["localize", "absent.txt", "--references", "absent", "--output", str(tmp_path / "file" / "out.txt")]
    assert main(arguments) == 2
    assert "--output" in capsys.readouterr().err


def test_names_cannot_act_on_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    name = "a\x1b]0;owned\x07\x9b31m\u202e\udcff.jpg"

    def fail() -> int:
        print(name)
        print(f"progress\r\x1b[A{name}", file=sys.stderr)
        raise InputError(f"{name} is no image.")

    assert run_command(fail, "mickey-hloc") == 2
    out, err = capsys.readouterr()
    for text in (out, err.replace("\x1b[A", "")):
        assert not {"\x1b", "\x07", "\x9b", "\u202e", "\udcff"} & set(text)
        assert "a\\x1b]0;owned\\x07" in text
    assert plain("plain, ünï\n") == "plain, ünï\n"


def test_sigterm_ends_quietly(capsys: pytest.CaptureFixture[str]) -> None:
    before = signal.getsignal(signal.SIGTERM)
    cleaned = []

    def work() -> int:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            signal.pause()
        finally:
            cleaned.append(True)
        return 0

    assert run_command(work, "mickey-hloc") == 143
    assert cleaned
    assert capsys.readouterr().err == ""
    assert signal.getsignal(signal.SIGTERM) == before


@pytest.mark.parametrize(
    ("sent", "status", "said"), [("SIGTERM", 143, ""), ("SIGINT", 130, "interrupted; run the same again to go on\n")]
)
def test_a_signal_that_a_library_turns_into_another_error_still_ends_quietly(
    capsys: pytest.CaptureFixture[str], sent: str, status: int, said: str
) -> None:
    """HDF5, calling our file back, went on with the exception and it came out as an AttributeError."""

    def work() -> int:
        try:
            os.kill(os.getpid(), signal.Signals[sent])
            signal.pause()
        except BaseException:
            raise AttributeError("no attribute 'flush'") from None
        return 0

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        assert run_command(work, "mickey-hloc") == status
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert capsys.readouterr().err == said


def test_ctrl_c_while_the_command_is_still_read_is_quiet(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("mickey_hloc.cli.use_everywhere", interrupted)
    assert main(["demo"]) == 130
    assert capsys.readouterr().err == "interrupted; run the same again to go on\n"


def test_leftovers_of_killed_runs_are_removed(tmp_path: Path) -> None:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    dead, running, other = (tmp_path / f".poses.txt.{n}.tmp" for n in (child, os.getppid(), 10**12))
    others_file = tmp_path / f".other.txt.{child}.tmp"
    for file in (dead, running, other, others_file):
        file.touch()
    assert temporary_path(tmp_path / "poses.txt") == tmp_path / f".poses.txt.{os.getpid()}.tmp"
    assert not dead.exists()
    assert not other.exists()  # no process has such a number
    assert running.exists()
    assert others_file.exists()


def test_yaml_that_is_nested_too_deeply_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("lightning")
    pytest.importorskip("tensorboard")
    config = tmp_path / "deep.yaml"
    config.write_text("a: " + "[" * 3000 + "]" * 3000)
    assert main(["train", str(config)]) == 2
    assert "nested too deeply" in capsys.readouterr().err
    assert main(["train", str(config), "--set", "a=" + "[" * 3000 + "]" * 3000]) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_a_folder_or_a_pipe_instead_of_a_photo_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pipe = tmp_path / "pipe.jpg"
    os.mkfifo(pipe)
    assert main(["pose", str(tmp_path), str(pipe), "--focal", "500"]) == 2
    assert "is a folder; name an image file" in capsys.readouterr().err
    assert main(["pose", str(pipe), str(pipe), "--focal", "500"]) == 2
    assert "is a pipe or device" in capsys.readouterr().err


class Screen(io.StringIO):
    """A terminal that keeps what it shows."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("stream", "variables", "coloured"), [
    (Screen, {"TERM": "xterm-256color"}, True),
    (Screen, {"TERM": "dumb"}, False),
    (Screen, {"TERM": "xterm-256color", "NO_COLOR": "1"}, False),
    (io.StringIO, {"TERM": "xterm-256color"}, False),
])  # fmt: skip
def test_a_terminal_gets_colours_and_a_file_the_words_alone(
    stream: type[io.StringIO], variables: dict[str, str], coloured: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    out, err = stream(), stream()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)

    def work() -> int:
        say("a pose\x1b[0m of evil\x07.jpg", "good")
        raise InputError("no such file")

    assert run_command(work, "mickey-hloc pose") == 2
    words = "a pose\\x1b[0m of evil\\x07.jpg"
    assert out.getvalue() == (f"\x1b[1;32m{words}\x1b[0m\n" if coloured else f"{words}\n")
    sentence = "mickey-hloc pose: no such file"
    assert err.getvalue() == (f"\x1b[1;31m{sentence}\x1b[0m\n" if coloured else f"{sentence}\n")
