"""What an output was made from, stored with it, so that a later run never mixes results of different settings."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mickey_hloc.errors import InputError
from mickey_hloc.io.json_text import parse_json

ORIGIN_KEY = "mickey_hloc_origin"  # attribute of an HDF5 file, first comment of a text file


def origin_text(values: Mapping[str, Any]) -> str:
    """Plain values as one canonical line of json."""
    return json.dumps(values, sort_keys=True)


def origin_values(attributes: Mapping[str, object]) -> dict[str, Any]:
    """What a file's attributes say of its making; empty where they say nothing that can be read."""
    told = attributes.get(ORIGIN_KEY)
    try:
        values = parse_json(told) if isinstance(told, str) else {}
    except ValueError:
        return {}
    return values if isinstance(values, dict) else {}


def check_origin(found: str | None, wanted: str, path: Path) -> None:
    """Refuse to add to an output that was made otherwise.

    Args:
        found: what the output says, None where it says nothing.
        wanted: what it should say.

    Raises:
        InputError: they differ; the message names the settings that do.
    """
    if found is None:
        raise InputError(
            f"{path} does not say how it was made, so nothing is added to it; choose another output or overwrite it."
        )
    if found != wanted:
        raise InputError(
            f"{path} was made otherwise ({_difference(found, wanted)}); choose another output or overwrite it."
        )


def _difference(found: str, wanted: str) -> str:
    try:
        had = parse_json(found)
    except ValueError:
        return f"its own account of it is damaged: {found[:80]!r}"
    wants = json.loads(wanted)
    if not isinstance(had, dict):
        return f"it says {found[:80]}"
    keys = sorted(key for key in {**had, **wants} if had.get(key) != wants.get(key))
    return "; ".join(f"{key}: {json.dumps(had.get(key))} there, {json.dumps(wants.get(key))} now" for key in keys)
