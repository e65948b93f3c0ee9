"""The arguments of commands that run hloc's pipelines: which hloc, feature and matcher."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from mickey_hloc.cli.vocabulary import (
    add_exif,
    add_feature,
    add_hloc,
    add_matcher,
    add_options,
    matching_of,
    slot_options,
)

if TYPE_CHECKING:
    from mickey_hloc.two_view.method import Method


def add_matching_arguments(parser: argparse.ArgumentParser) -> None:
    """The choice of hloc, feature and matcher, for both commands that run hloc's pipelines."""
    add_feature(parser, default=None)
    add_exif(parser)
    add_matcher(parser)
    add_options(parser, "the feature, or with matcher. in front of the matcher", "max_keypoints=2048")
    add_hloc(parser)


def chosen_matching(args: argparse.Namespace) -> Method:
    """The method of the arguments of ``add_matching_arguments``, of which depth and solver are not used."""
    from mickey_hloc.two_view.method import Method

    return Method(**matching_of(args, slot_options(args.set, "feature")))
