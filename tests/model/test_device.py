"""Devices that this machine has not, or that hold no numbers, are one sentence."""

import pytest

from mickey_hloc.errors import InputError
from mickey_hloc.model.device import usable_device


@pytest.mark.parametrize("name", ["cuda:7", "foo", "meta", "privateuseone", "xla", "hpu", "cpu:cpu"])
def test_a_device_that_cannot_be_used_is_one_sentence(name: str) -> None:
    with pytest.raises(InputError, match=f"The device '{name}' cannot be used here") as caught:
        usable_device(name)
    assert "\n" not in str(caught.value)
