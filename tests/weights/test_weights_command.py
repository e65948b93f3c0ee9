"""``mickey-hloc weights`` as a user runs it."""

import pytest
import torch
from safetensors.torch import save_file
from support.loopback import Served, serving
from support.published import ZIP, published_zip

from mickey_hloc import cli
from mickey_hloc.io.checksum import sha256
from mickey_hloc.weights.describe import HeadWidths, describe
from mickey_hloc.weights.named import NAMES


def run(capsys, *arguments: str) -> tuple[int, str, str]:
    status = cli.main(["weights", *arguments])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_list_download_list(mirror, weights_cache, capsys):
    status, before, _ = run(capsys, "list")
    assert status == 0
    assert [line.split()[0] for line in before.splitlines()[1:-1]] == list(NAMES)
    assert str(weights_cache) in before
    status, out, err = run(capsys, "download", "mickey")
    assert status == 0
    assert "NON-COMMERCIAL" in err
    assert f"sha256 {sha256(weights_cache / 'mickey.ckpt')}" in out
    _, after, _ = run(capsys, "list")
    here = {line.split()[0] for line in after.splitlines()[1:-1] if " yes " in line}
    assert here == {"mickey", "mickey_sc"} | ({"small"} & set(NAMES))


def test_download_of_an_unknown_name_downloads_nothing(mirror, weights_cache, capsys):
    status, out, err = run(capsys, "download", "mickey", "micky")
    assert (status, out) == (2, "")
    assert "did you mean 'mickey'" in err
    assert mirror.requests == []


def test_download_from_another_mirror(weights_cache, capsys):
    with serving() as other:
        other.files[ZIP] = Served(published_zip())
        assert run(capsys, "download", "mickey", "--mirror", other.url)[0] == 0


def test_info_of_a_name(mirror, weights_cache, capsys):
    status, out, _ = run(capsys, "info", "mickey")
    assert status == 0
    assert "weights download mickey" in out
    assert mirror.requests == []  # looking does not download
    run(capsys, "download", "mickey")
    _, out, _ = run(capsys, "info", "mickey")
    assert "non-commercial" in out
    assert f"{sha256(weights_cache / 'mickey.ckpt')} (as recorded)" in out
    assert "made for 12 channels" in out
    assert "depth_head: widths 8 6, 2 self-attention layers" in out
    assert "pytorch-lightning_version = 2.0.6" in out


def test_info_of_files(tmp_path, capsys):
    encoder = {
        "cls_token": torch.zeros(1, 1, 16),
        "patch_embed.proj.weight": torch.zeros(16, 3, 14, 14),
        **{f"blocks.{i}.norm1.weight": torch.zeros(16) for i in range(12)},
        "scale": torch.zeros(()),
    }
    torch.save(encoder, tmp_path / "a.pth")
    save_file(encoder, tmp_path / "a.safetensors", metadata={"note": "two\nlines \x1b[31m"})
    for name, format_ in (("a.pth", "state dict (torch)"), ("a.safetensors", "safetensors")):
        status, out, _ = run(capsys, "info", str(tmp_path / name))
        assert status == 0
        assert f"format   {format_}" in out
        assert "16 channels, 12 blocks" in out
        assert "\x1b" not in out
        _, out, _ = run(capsys, "info", "--tensors", str(tmp_path / name))
        assert "  blocks.11.norm1.weight  16\n" in out
        assert "  scale  scalar\n" in out
    assert "metadata note = two?lines ?[31m" in out


def test_info_of_models_says_how_they_were_trained(tmp_path, capsys):
    _, out, _ = run(capsys, "info", "small")
    assert "encoder  inside, 731 channels\n" in out
    assert "trained on images of 640 px with a focal length of 525 px; suitable solver: joint\n" in out
    for text, said in {
        '{"training_size_px": null, "training_focal_px": null}': "images of any size with any focal length",
        '{"solver": "os:system"}': "solver must be a name of letters",
    }.items():
        save_file({"a": torch.zeros(1)}, tmp_path / "m.safetensors", metadata={"mickey_hloc": text})
        status, out, _ = run(capsys, "info", str(tmp_path / "m.safetensors"))
        assert status == 0
        assert said in out


@pytest.mark.parametrize("suffix", [".ckpt", ".safetensors", ".pth", ".txt"])
def test_info_of_what_is_no_weights_file(tmp_path, capsys, suffix):
    for content in (b"", b"not weights", b"\xff" * 100):
        path = tmp_path / f"a{suffix}"
        path.write_bytes(content)
        status, out, err = run(capsys, "info", str(path))
        assert (status, out) == (2, "")
        assert str(path) in err
        assert len(err.splitlines()) == 1


def test_recorded_checkpoints_are_described(golden):
    description = describe(golden / "mickey_tiny.ckpt")
    assert set(description.heads) == {"det_offset", "depth_head", "det_head", "dsc_head"}
    assert len({head.channels_in for head in description.heads.values()}) == 1
    assert all(isinstance(head, HeadWidths) and len(head.widths) == 4 for head in description.heads.values())
    assert description.encoder is None
    channels, blocks = describe(golden / "encoder.pth").encoder
    assert channels == description.heads["depth_head"].channels_in
    assert blocks > 0
