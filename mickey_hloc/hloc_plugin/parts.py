"""Extractors, matchers and pair models of an installed hloc as parts of ours, by the names of its confs."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from mickey_hloc.errors import InputError, MissingDependencyError
from mickey_hloc.features.base import Extractor
from mickey_hloc.hloc_plugin.host import import_host, import_step
from mickey_hloc.hloc_plugin.models import load_hloc_model, needs_features
from mickey_hloc.io.image_batches import Preprocessing
from mickey_hloc.matching.base import Matcher, StoredFeatures
from mickey_hloc.model.device import default_device
from mickey_hloc.pair_models.base import PairMatches, PairModel, whole_multiples
from mickey_hloc.registry import CheckedOptions, Part, Preset, file_safe, make_options, unknown_name

_STEPS = {"feature": "extract_features", "matcher": "match_features", "pair model": "match_dense"}
_HERE = "mickey_hloc.hloc_plugin.parts"


def find_feature(name: str, host: str, ours: Iterable[str]) -> Preset:
    """The Preset of one of hloc's local features.

    Raises:
        InputError: neither ours nor hloc's; the message lists all names.
        MissingDependencyError: hloc is not installed, or what the feature needs.
    """
    known = {key: conf for key, conf in _confs("feature", name, host, ours).items() if not _is_global(conf)}
    return _preset("HostedExtractor", "feature", "extractors", name, host, known, ours)


def find_matcher(name: str, host: str, ours: Iterable[str]) -> Preset:
    """The Preset of one of hloc's matchers of features. Raises: see ``find_feature``."""
    known = _matching_confs("matcher", name, host, ours)
    return _preset("HostedMatcher", "matcher", "matchers", name, host, known, ours)


def find_pair_model(name: str, host: str, ours: Iterable[str]) -> Preset:
    """The Preset of one of hloc's dense matchers. Raises: see ``find_feature``."""
    known = _matching_confs("pair model", name, host, ours)
    return _preset("HostedPairModel", "pair model", "matchers", name, host, known, ours)


def _confs(kind: str, name: str, host: str, ours: Iterable[str]) -> Mapping[str, Mapping[str, Any]]:
    try:
        confs: Mapping[str, Mapping[str, Any]] = import_step(import_host(host), _STEPS[kind]).confs
    except MissingDependencyError as error:
        near = difflib.get_close_matches(name, list(ours), n=1)
        hint = f"did you mean '{near[0]}'? They are " if near else ""
        raise MissingDependencyError(
            f"{kind} '{name}' is none of ours ({hint}{', '.join(sorted(ours))}), and {error}"
        ) from error
    return confs


def _matching_confs(kind: str, name: str, host: str, ours: Iterable[str]) -> Mapping[str, Mapping[str, Any]]:
    """The confs of a matching step; where both steps have the name (imcui.hloc), what its model takes decides."""
    confs = {step: _confs(step, name, host, ours) for step in ("matcher", "pair model")}
    known = confs[kind]
    if all(name in step for step in confs.values()):
        takes_features = needs_features(host, known[name]["model"]["name"])
        if takes_features != (kind == "matcher"):
            return {key: conf for key, conf in known.items() if key != name}
    return known


def _preset(
    cls: str, kind: str, folder: str, name: str, host: str, known: Mapping[str, Any], ours: Iterable[str]
) -> Preset:
    if name not in known:
        raise unknown_name(kind, name, {*known, *ours})
    import_step(import_host(host), f"{folder}.{known[name]['model']['name']}")  # what it lacks shows here
    return Preset(f"{_HERE}:{cls}", {"conf": name, "host": host})


def _is_global(conf: Mapping[str, Any]) -> bool:
    return bool(conf["output"].startswith("global-"))


@dataclass(frozen=True)
class HostedOptions(CheckedOptions):
    """Options of hloc's models.

    Attributes:
        conf: the name of a conf of hloc's step.
        model: changes to the conf's ``model``.
        host: the hloc package.
        device: default: the GPU where there is one.
        preprocessing: changes to the conf's ``preprocessing``.
    """

    conf: str
    model: Mapping[str, Any] = field(default_factory=dict)
    host: str = "hloc"
    device: str | None = None
    preprocessing: Mapping[str, Any] = field(default_factory=dict)


class _Hosted(Part):
    """What the parts from hloc share."""

    folder: ClassVar[str]

    @cached_property
    def conf(self) -> dict[str, Any]:
        """hloc's conf of this part, with the changes of the options."""
        known = import_step(import_host(self.options.host), _STEPS[self.kind]).confs
        if self.options.conf not in known:
            raise unknown_name(f"{self.kind} of {self.options.host}", self.options.conf, known)
        conf = dict(known[self.options.conf])
        changes = {"model": self.options.model, "preprocessing": self.options.preprocessing}
        return conf | {key: {**conf.get(key, {}), **changed} for key, changed in changes.items()}

    @cached_property
    def model(self) -> nn.Module:
        """The model, loaded when it is first asked for."""
        return load_hloc_model(self.options.host, self.folder, self.conf["model"], self.options.device)  # type: ignore[arg-type]

    @property
    def device(self) -> str:
        return self.options.device or default_device()

    def identity(self) -> dict[str, Any]:
        return {"host": self.options.host, "model": self.conf["model"]}

    def tag(self) -> str:
        """The name that hloc gives the output of this conf."""
        output = str(self.conf["output"]).removeprefix("feats-").removeprefix("matches-")
        changes = {**self.options.model, **self.options.preprocessing}
        return "-".join([output, *(file_safe(f"{key}.{value}") for key, value in sorted(changes.items()))])

    def _preprocessing(self) -> Preprocessing:
        """What our steps know of it: imcui.hloc also has keys that squeeze every image into 640 x 480."""
        known = {field.name for field in fields(Preprocessing)}
        unused = self.conf["preprocessing"].keys() - known - self.options.preprocessing.keys()
        values = {key: value for key, value in self.conf["preprocessing"].items() if key not in unused}
        return make_options(Preprocessing, values, f"{self.kind} {self.name}")


class HostedExtractor(_Hosted, Extractor):
    """Whatever the model returns for an image is stored; images run one by one, as in hloc."""

    Options = HostedOptions
    folder = "extractors"
    datasets: ClassVar[frozenset[str]] = frozenset({"descriptors"})

    @cached_property
    def preprocessing(self) -> Preprocessing:
        return self._preprocessing()

    def _extract(self, images: Tensor) -> list[dict[str, np.ndarray]]:
        with torch.inference_mode():
            found = [self.model({"image": image[None].to(self.device)}) for image in images]
        return [{key: value[0].float().cpu().numpy() for key, value in arrays.items()} for arrays in found]


class HostedMatcher(_Hosted, Matcher):
    """A matcher of hloc's ``match_features``: it gets what hloc gives it, every dataset suffixed 0 and 1."""

    Options = HostedOptions
    folder = "matchers"

    def _match(self, features0: StoredFeatures, features1: StoredFeatures) -> tuple[Tensor, Tensor]:
        data = {}
        for side, features in ((0, features0), (1, features1)):
            width, height = (int(x) for x in features["image_size"])
            data[f"image{side}"] = torch.empty(1, 1, height, width)  # only its size is looked at
            arrays = {key: value for key, value in features.items() if key != "image_size"}
            data |= {f"{key}{side}": value[None].to(self.device) for key, value in arrays.items()}
            data[f"image_size{side}"] = features["image_size"][None].to(self.device)
        try:
            found = self.model(data)
        except AssertionError as error:
            raise InputError(f"Matcher {self.name} cannot use these features: {error}.") from error
        matches0 = found["matches0"][0]
        scores0 = found["matching_scores0"][0] if "matching_scores0" in found else (matches0 >= 0).float()
        return matches0, scores0


class HostedPairModel(_Hosted, PairModel):
    """A matcher of hloc's ``match_dense``."""

    Options = HostedOptions
    folder = "matchers"

    @cached_property
    def preprocessing(self) -> Preprocessing:  # type: ignore[override]
        return self._preprocessing()

    def network_size(self, image_size: tuple[int, int]) -> tuple[int, int]:
        return whole_multiples(self.preprocessing.network_size(image_size), self.size_multiple)

    @property
    def size_multiple(self) -> int:
        """The sides of images become multiples of it, pixels."""
        return int(self.conf.get("preprocessing", {}).get("dfactor", 8))

    def identity(self) -> dict[str, Any]:
        return {**super().identity(), "size_multiple": self.size_multiple}

    def _match(self, image0: Tensor, image1: Tensor) -> PairMatches:
        found = self.model({"image0": image0[None].to(self.device), "image1": image1[None].to(self.device)})
        return PairMatches(found["keypoints0"], found["keypoints1"], found["scores"])
