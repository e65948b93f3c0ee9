"""The one reader of text: what editors and shells of all systems write, and names that are no UTF-8."""

from pathlib import Path

import pytest

from mickey_hloc.errors import InputError
from mickey_hloc.io.image_batches import list_images
from mickey_hloc.io.pairs import read_pairs
from mickey_hloc.io.text import check_name, is_utf8, read_rows, read_text, shown

PAIRS = [("a.jpg", "b.jpg"), ("ä.jpg", "日.jpg")]
TEXT = "# two names\n   # an indented comment\n\n \ta.jpg  b.jpg \nä.jpg\t日.jpg"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_systems_text_has_the_same_pairs(encoding: str, end: str, tmp_path: Path) -> None:
    mark = "\ufeff" if encoding.endswith(("le", "be")) else ""
    path = tmp_path / "pairs.txt"
    path.write_bytes((mark + TEXT.replace("\n", end)).encode(encoding))
    assert read_pairs(path) == PAIRS
    assert [number for number, _ in read_rows(path, "pairs file")] == [4, 5]


def test_no_text_is_said_to_be_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"No pairs file .*absent\.txt"):
        read_text(tmp_path / "absent.txt", "pairs file")
    for content in (b"\x89PNG\0\0", b"a b\0c\n", b"\xff\xfea"):
        (tmp_path / "binary").write_bytes(content)
        with pytest.raises(InputError, match="binary is not a readable pairs file"):
            read_text(tmp_path / "binary", "pairs file")
    with pytest.raises(InputError, match="is not a readable pairs file"):
        read_text(tmp_path, "pairs file")


def test_names_that_are_no_utf8_are_named(tmp_path: Path) -> None:
    path = tmp_path / "pairs.txt"
    path.write_bytes("# café\na.jpg b.jpg\n".encode("latin-1"))
    assert read_pairs(path) == [("a.jpg", "b.jpg")]  # a comment may be anything
    path.write_bytes("a.jpg b.jpg\ncafé.jpg b.jpg\n".encode("latin-1"))
    with pytest.raises(InputError, match=r"pairs\.txt, line 2: the name 'caf\\xe9\.jpg' is not UTF-8"):
        read_pairs(path)
    name = b"caf\xe9.jpg".decode("utf-8", "surrogateescape")
    assert not is_utf8(name)
    assert shown(name) == "caf\\xe9.jpg"
    assert check_name("café.jpg", "here") == shown("café.jpg") == "café.jpg"


def test_a_list_may_name_a_file_whose_name_is_no_utf8(tmp_path: Path) -> None:
    name = b"caf\xe9.jpg".decode("utf-8", "surrogateescape")
    (tmp_path / name).touch()
    (tmp_path / "list.txt").write_bytes(b"caf\xe9.jpg\n")
    assert list_images(tmp_path, (), tmp_path / "list.txt") == [name]
