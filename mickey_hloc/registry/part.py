"""What every part has in common: options that are checked once, and an identity."""

from __future__ import annotations

from typing import Any, ClassVar

from mickey_hloc.registry.options import make_options


class Part:
    """Base of extractors, matchers, pair models, depth sources and solvers.

    A subclass defines ``Options``, a frozen dataclass whose defaults are the part's defaults. Weights are loaded when
    they are first needed, so that making a part is cheap.

    Raises:
        InputError: an unknown option or a value of the wrong type; the message lists the known ones.
    """

    kind: ClassVar[str] = "part"
    Options: ClassVar[type]

    def __init__(self, **options: Any) -> None:
        self.options: Any = make_options(self.Options, options, where=f"{self.kind} {type(self).__name__}")

    def identity(self) -> dict[str, Any]:
        """Everything that decides the part's numbers, as plain values: options, with checksums in place of files."""
        return dict(vars(self.options))
