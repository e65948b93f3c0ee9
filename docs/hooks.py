"""Pages of the site that stand elsewhere in the repository: written once, shown in both places."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PAGES = {  # page of the site: file of the repository
    "architecture.md": "ARCHITECTURE.md",
    "contributing.md": "CONTRIBUTING.md",
    "changelog.md": "CHANGELOG.md",
    "confidence.md": "mickey_hloc/confidence/README.md",
    "train.md": "configs/README.md",
    "model-small.md": "mickey_hloc/weights/small.md",
    "benchmarks-mapfree.md": "pipelines/mapfree/README.md",
    "benchmarks-scannet.md": "pipelines/scannet/README.md",
    "benchmarks-sevenscenes.md": "pipelines/sevenscenes/README.md",
    "benchmarks-grid.md": "pipelines/ablation/README.md",
}
PICTURES = {
    "pictures/convolutional.png": "configs/curves/convolutional.png",
    "pictures/disk_redkitchen.png": "configs/curves/disk_redkitchen.png",
}
_LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)#\s]+)(#[^)\s]*)?\)")


def on_config(config: Any) -> Any:
    """Pages that the navigation of mkdocs.yml does not list come last in it, under their own titles."""
    listed = str(config.nav)
    config.nav += [page.name for page in sorted((ROOT / "docs").glob("*.md")) if page.name not in listed]
    return config


def on_files(files: Any, config: Any) -> Any:
    """Add the pages and the pictures they show."""
    from mkdocs.structure.files import File

    for page, source in PAGES.items():
        files.append(File.generated(config, page, content=site_text(source)))
    for picture, source in PICTURES.items():
        files.append(File.generated(config, picture, abs_src_path=str(ROOT / source)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Links of a page of ``docs``, which lead to files of the repository, lead to the site's pages."""
    return markdown if page.file.src_uri in PAGES else site_links(markdown, "docs")


def site_text(source: str) -> str:
    """A document of the repository with its links leading to the site's pages."""
    return site_links((ROOT / source).read_text(encoding="utf-8"), posixpath.dirname(source))


def site_links(text: str, folder: str) -> str:
    """A text of a folder of the repository with its links leading to the site's pages."""
    pages = {**{file: page for page, file in PAGES.items()}, **{file: name for name, file in PICTURES.items()}}

    def replaced(match: re.Match[str]) -> str:
        mark, text, target, anchor = match.groups()
        if "://" in target:
            return match[0]
        path = posixpath.normpath(posixpath.join(folder, target))
        page = pages.get(path) or pages.get(f"{path}/README.md")
        if page is None and path.startswith("docs/"):
            page = path.removeprefix("docs/")
        if page is None and path == "README.md":
            page = "index.md"
        # what the site does not have is named, not linked
        return f"{mark}[{text}]({page}{anchor or ''})" if page else f"{text} (`{path}`)"

    return _LINK.sub(replaced, text)
