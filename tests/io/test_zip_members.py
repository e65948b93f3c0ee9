"""Hostile and damaged archives."""

import io
import stat
import zipfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.published import checkpoint, hostile, torch_bytes

from mickey_hloc.errors import WeightsError
from mickey_hloc.io.zip_members import extract_members


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_links_and_devices_are_refused(tmp_path, kind):
    path = tmp_path / "a.zip"
    path.write_bytes(hostile("mickey_sc.ckpt", b"/etc/passwd", kind | 0o777))
    with pytest.raises(WeightsError, match="link or a device"):
        extract_members(path, {"mickey_sc.ckpt": tmp_path / "out"}, progress=False)
    assert [p.name for p in tmp_path.iterdir()] == ["a.zip"]


def bomb(size: int) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("mickey.ckpt", bytes(size))
    return buffer.getvalue()


def test_bombs_are_refused(tmp_path):
    path, out = tmp_path / "a.zip", {"mickey.ckpt": tmp_path / "mickey.ckpt"}
    path.write_bytes(bomb(2_000_000))
    with pytest.raises(WeightsError, match=r"unpacks to 2000000 from \d+ bytes"):
        extract_members(path, out, progress=False)
    path.write_bytes(hostile("mickey_sc.ckpt", bytes(2000)))
    with pytest.raises(WeightsError, match="above 1000"):
        extract_members(path, {"mickey_sc.ckpt": tmp_path / "x"}, max_bytes=1000, progress=False)
    assert [p.name for p in tmp_path.iterdir()] == ["a.zip"]


def test_a_bomb_that_lies_about_its_size_is_stopped(tmp_path):
    content = bytearray(bomb(2_000_000))
    for position in (content.find(b"PK\x03\x04") + 22, content.find(b"PK\x01\x02") + 24):
        assert int.from_bytes(content[position : position + 4], "little") == 2_000_000
        content[position : position + 4] = (5000).to_bytes(4, "little")
    path = tmp_path / "a.zip"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="not a readable zip file"):
        extract_members(path, {"mickey.ckpt": tmp_path / "mickey.ckpt"}, progress=False)
    assert [p.name for p in tmp_path.iterdir()] == ["a.zip"]


def test_too_many_entries_and_twins(tmp_path):
    path, out = tmp_path / "a.zip", {"mickey.ckpt": tmp_path / "mickey.ckpt"}
    with zipfile.ZipFile(path, "w") as file:
        for folder in "ab":
            file.writestr(f"{folder}/mickey.ckpt", b"1")
    with pytest.raises(WeightsError, match="2 files named"):
        extract_members(path, out, progress=False)
    with zipfile.ZipFile(path, "w") as file:
        for number in range(1001):
            file.writestr(str(number), b"")
    with pytest.raises(WeightsError, match="1001 entries"):
        extract_members(path, out, progress=False)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(st.data())
def test_damaged_archives_give_the_file_or_an_error(tmp_path, data):
    content = bytearray(hostile("folder/notes.txt"))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path, out = tmp_path / "a.zip", tmp_path / "mickey.ckpt"
    out.unlink(missing_ok=True)
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        found = extract_members(path, {"mickey.ckpt": out}, progress=False)
    except WeightsError:
        found = []
    assert out.exists() == (found == ["mickey.ckpt"])
    if found:
        assert out.read_bytes() == torch_bytes(checkpoint(1.0))  # zipfile compares the CRC
    assert {p.name for p in tmp_path.iterdir()} <= {"a.zip", "mickey.ckpt"}
