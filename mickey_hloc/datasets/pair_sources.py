"""The slot of the sources of training and validation pairs: a kind and options in the configuration give a data set."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch.utils.data import Dataset

from mickey_hloc.datasets.fitting import Size
from mickey_hloc.datasets.pairs import Draw, PairAugmentation, PairDataset, PairTable
from mickey_hloc.depth import get_depth_source
from mickey_hloc.errors import InputError, PartError
from mickey_hloc.io.images import ExifTurn
from mickey_hloc.registry import CheckedOptions, Registry, UnknownNameError, make_options, tables
from mickey_hloc.registry.users_code import users_code


@dataclass(frozen=True)
class PairSource(CheckedOptions, ABC):
    """Base of the sources of pairs. A subclass is a frozen dataclass of its options that implements ``_open``; where
    its images lie on the disk, it derives from ``TableSource``. This class checks the data set.
    """

    kind: ClassVar[str] = "source of pairs"

    def open(self, size_wh: Size, augmentation: PairAugmentation | None = None) -> Dataset[dict[str, Any]]:
        """The data set.

        Args:
            size_wh: (width, height) of all images.
            augmentation: for training; None = the images as they are.

        Returns:
            Items as ``PairDataset`` gives them, by a number or a ``Draw``.

        Raises:
            InputError: no such data, or data that cannot be used.
            PartError: the data set has other items, or the source has a bug.
        """
        with users_code(type(self), self.kind):
            data = self._open(size_wh, augmentation)
            first = data[Draw(0, None)] if len(data) else {}  # type: ignore[index,arg-type]
        self._check(first, size_wh)
        return data

    @abstractmethod
    def _open(self, size_wh: Size, augmentation: PairAugmentation | None) -> Dataset[dict[str, Any]]: ...

    def _check(self, item: Mapping[str, Any], size_wh: Size) -> None:
        image = (3, size_wh[1], size_wh[0])
        shapes = {"image0": image, "image1": image, "K0": (3, 3), "K1": (3, 3), "R": (3, 3), "t": (3,)}
        who = f"{self.kind.capitalize()} {type(self).__name__}"
        for key, shape in shapes.items():
            value = item.get(key)
            if not isinstance(value, torch.Tensor) or value.shape != shape or value.dtype != torch.float32:
                had = f"{value.dtype} {tuple(value.shape)}" if isinstance(value, torch.Tensor) else type(value).__name__
                raise PartError(f"{who} gave {had} as {key} of its first pair, but it must be torch.float32 {shape}.")
            if not bool(torch.isfinite(value).all()):
                raise PartError(f"{who} gave a {key} that is not finite.")


@dataclass(frozen=True)
class TableSource(PairSource):
    """Base of the sources whose images lie on the disk: a subclass gives a ``table`` of them and of their pairs.

    Attributes:
        judge: depth source of those maps that judge depth in validation, e.g. "png:sensor"; never used to train.
        exif_turn: photos that their EXIF orientation turns: "refuse" them, or "ignore" it and use the stored pixels.
    """

    judge: str | None = field(default=None, kw_only=True)
    exif_turn: ExifTurn = field(default="refuse", kw_only=True)

    @abstractmethod
    def table(self) -> PairTable:
        """All pairs within the limits that the options set."""

    def _open(self, size_wh: Size, augmentation: PairAugmentation | None) -> Dataset[dict[str, Any]]:
        table = self.table()
        if not isinstance(table, PairTable):
            raise PartError(
                f"{type(self).__name__}.table returned {type(table).__name__}, but must return a PairTable."
            )
        judge = get_depth_source(self.judge, image_dir=table.root) if self.judge else None
        return PairDataset(table, size_wh, augmentation, judge, self.exif_turn)


PAIR_SOURCES: Registry[PairSource] = Registry(PairSource.kind, PairSource, tables.PAIR_SOURCES)


def make_source(values: Mapping[str, Any], where: str) -> PairSource:
    """A source from its configuration, whose ``kind`` names it: of ``PAIR_SOURCES``, or a dotted path.

    Raises:
        InputError: no or an unknown kind, or an unknown option.
        MissingDependencyError, PartError: a class of the user's that cannot be used.
    """
    if not isinstance(values, Mapping):
        raise InputError(f"{where} must be a mapping with a 'kind', got {values!r}.")
    options = dict(values)
    kind = options.pop("kind", None)
    if not isinstance(kind, str):
        raise InputError(f"The kind of {where} is missing; choose one of: {', '.join(PAIR_SOURCES.names)}.")
    try:
        preset = PAIR_SOURCES.find(kind)
    except UnknownNameError as error:
        raise InputError(f"The kind of {where}: {error}") from error
    cls = PAIR_SOURCES.get(kind)
    with users_code(cls, PairSource.kind):
        return make_options(cls, {**preset.options, **options}, where=where)
