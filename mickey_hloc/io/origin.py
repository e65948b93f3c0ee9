"""What an output was made from, stored with it, so that a later run never mixes results of different settings."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mickey_hloc.errors import InputError
from mickey_hloc.io.json_text import parse_json
from mickey_hloc.registry import Preset, tables

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


def check_origin(found: str | None, wanted: str, path: Path) -> str:
    """Refuse to add to an output that was made otherwise.

    Args:
        found: what the output says, None where it says nothing.
        wanted: what it should say.

    Returns:
        What the output says, in its own words.

    Raises:
        InputError: they differ; the message names the settings that do.
    """
    if found is None:
        raise InputError(
            f"{path} does not say how it was made, so nothing is added to it; choose another output or --overwrite it."
        )
    if found != wanted and not _only_names_differ(found, wanted):
        raise InputError(
            f"{path} was made otherwise ({_difference(found, wanted)}); choose another output or --overwrite it."
        )
    return found


def _only_names_differ(found: str, wanted: str) -> bool:
    """Whether one extractor was named in two ways: the options that its name stands for are among the settings."""
    settings = [origin_values({ORIGIN_KEY: text}) for text in (found, wanted)]
    first, second = ({**values, "extractor": _extractor_class(values.get("extractor"))} for values in settings)
    return bool(settings[0]) and first == second


def _extractor_class(name: object) -> object:
    target = tables.FEATURES.get(str(name), name)
    return target.target if isinstance(target, Preset) else target


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
