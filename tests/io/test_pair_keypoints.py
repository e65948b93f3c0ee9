"""Correspondences of pairs as hloc's features and matches."""

import h5py
import numpy as np

from mickey_hloc.io.features import FeatureFile
from mickey_hloc.io.matches import MatchFile
from mickey_hloc.io.pair_keypoints import as_features_and_matches

NAMES = [f"{name}" for name in ("seq0/frame_00000.jpg", "seq1/frame_00000.jpg", "seq1/frame_00001.jpg")]
PAIRS = [(NAMES[0], NAMES[1]), (NAMES[0], NAMES[2])]


def test_an_image_with_many_partners(tmp_path):
    """Stored from the side with fewer keypoints, read in the pair's order."""
    path = tmp_path / "pairs.h5"
    random = np.random.default_rng(0)
    with h5py.File(path, "w") as file:
        file.attrs["mickey_hloc_origin"] = "{}"
        for count, (name0, name1) in zip((30, 40), PAIRS, strict=True):
            group = file.create_group(f"{name0.replace('/', '-')}/{name1.replace('/', '-')}")
            group["keypoints0"] = random.uniform(0, 100, (count, 2)).astype(np.float32)
            group["keypoints1"] = group["keypoints0"][()] * 2
            group["scores"] = random.uniform(0, 1, count)
            group["sizes"] = np.array([[320, 240], [320, 240]])
    features, matches = as_features_and_matches(path, PAIRS, tmp_path / "f.h5", tmp_path / "m.h5")
    with FeatureFile(features) as feats, MatchFile(matches) as file:
        assert len(feats.read(NAMES[0]).keypoints) == 70
        for count, pair in zip((30, 40), PAIRS, strict=True):
            found, _ = file.read(*pair)
            assert len(found) == count
            keypoints = [feats.read(name).keypoints[found[:, side]] for side, name in enumerate(pair)]
            np.testing.assert_allclose(keypoints[1], 2 * keypoints[0])
