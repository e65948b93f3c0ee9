"""A synthetic scene as files in hloc's layout, and images of several sizes."""

import pytest
from support.posed_scenes import IMAGE_SIZES, make_scene, write_images


@pytest.fixture(scope="module")
def shared_scene(tmp_path_factory):
    return make_scene(tmp_path_factory.mktemp("scene"))


@pytest.fixture
def scene(tmp_path):
    return make_scene(tmp_path)


@pytest.fixture
def images(tmp_path):
    """The folder and the names."""
    folder = tmp_path / "images"
    return folder, write_images(folder, IMAGE_SIZES)
