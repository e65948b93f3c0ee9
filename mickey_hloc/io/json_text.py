"""Json of files that may be damaged or hostile."""

from __future__ import annotations

import json
from typing import Any


def parse_json(text: str) -> Any:
    """The values of a json text.

    Raises:
        ValueError: it is no json, or nested so deeply that the parser gives up.

    >>> parse_json('{"a": [1]}')
    {'a': [1]}
    """
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
