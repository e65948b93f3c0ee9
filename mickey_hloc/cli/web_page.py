"""The page of ``mickey-hloc serve`` (gradio; ``pip install 'mickey-hloc[web]'``). What is uploaded is soon removed."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from functools import partial
from importlib.util import find_spec
from typing import Any

from mickey_hloc.cli import web_model, web_pose
from mickey_hloc.cli.web_uploads import Limits
from mickey_hloc.errors import InputError, MissingDependencyError

KEPT_SECONDS = 600  # uploads, so that another method can be tried on them; all of them go when the program ends
PROMISE = "Photos stay on this machine and are removed ten minutes later, or when the program ends."
FOCAL = "Focal length (pixels); empty: from the photos' EXIF data"


def build_page(limits: Limits, device: str | None = None) -> Any:
    """The page as ``gradio.Blocks``: a tab for two photos, one for a model.

    Raises:
        MissingDependencyError: gradio or plotly is not installed.
    """
    gr = _gradio()
    folder = tempfile.mkdtemp(prefix="mickey-hloc-")
    os.environ["GRADIO_TEMP_DIR"] = folder  # where gradio puts uploads
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    with gr.Blocks(title="mickey_hloc", analytics_enabled=False, delete_cache=(60, KEPT_SECONDS)) as page:
        with gr.Tab("Two photos", elem_id="two-photos"):
            _two_photos(gr, limits, device)
        with gr.Tab("A model in metres", elem_id="model"):
            _model(gr, limits)
    return page


def _two_photos(gr: Any, limits: Limits, device: str | None) -> None:
    gr.Markdown(f"# Two photos, one pose in metres\n{PROMISE}")
    with gr.Row():
        file0 = gr.File(label="Reference photo", elem_id="reference")
        file1 = gr.File(label="Query photo", elem_id="query")
    with gr.Row():
        choices = list(web_pose.methods())
        method = gr.Dropdown(choices, value=choices[0], label="Method")
        focal = _empty_number(gr, FOCAL, "focal")
    button = gr.Button("Estimate the pose", variant="primary", elem_id="estimate")
    words, report = gr.Textbox(label="Result", elem_id="words", lines=2), gr.HTML(elem_id="report")
    work = partial(web_pose.answer, limits=limits, device=device)
    button.click(work, [file0, file1, method, focal], [words, report], api_visibility="private")


def _empty_number(gr: Any, label: str, elem_id: str) -> Any:
    """A field that begins empty: gradio shows None as 0, unless a function gives it."""
    return gr.Number(label=label, value=lambda: None, elem_id=elem_id)


def _model(gr: Any, limits: Limits) -> None:
    gr.Markdown(
        f"# Photos of one place, a model in metres\n2 to {limits.photos} photos with much in common, a zip of them, a "
        f"folder, or a video. {PROMISE}"
    )
    with gr.Row():
        files = gr.File(label="Photos, a zip or a video", file_count="multiple", elem_id="photos")
        folder = gr.UploadButton("... or a folder of photos", file_count="directory", elem_id="folder")
    with gr.Row():
        choices = list(web_model.matchings())
        matching = gr.Dropdown(choices, value=choices[0], label="Keypoints and matches")
        focal = _empty_number(gr, "Focal length (pixels); empty: EXIF data, refined", "model-focal")
    button = gr.Button("Make the model", variant="primary", elem_id="make-model")
    words, report = gr.Textbox(label="Result", elem_id="model-words", lines=3), gr.HTML(elem_id="model-report")
    gr.Markdown("## How long is it?\nChoose a photo of the model and click two points in it.")
    kept, clicks = gr.State(None, time_to_live=KEPT_SECONDS), gr.State([])
    name = gr.Dropdown([], label="Photo", elem_id="measured-photo")
    length = gr.Textbox(label="Length", elem_id="length", lines=2)
    photo = gr.Image(label="Photo", interactive=False, format="jpeg", elem_id="clicked-photo")

    def make(given: list[str] | None, chosen: str, focal_px: float | None) -> tuple[Any, ...]:
        said, frame, found = web_model.answer(given, chosen, focal_px, limits)
        names = [] if found is None else list(found.photos)
        first = names[0] if names else None
        return said, frame, found, gr.update(choices=names, value=first), *show(found, first)

    def show(found: web_model.Kept | None, chosen: str | None) -> tuple[Any, ...]:
        if found is None or chosen not in found.photos:
            return None, "", []
        return found.photos[chosen], "Click two points of the photo.", []

    def click(found: web_model.Kept | None, chosen: str, before: list[tuple[float, float]], event: Any) -> Any:
        return web_model.clicked(found, chosen, before, (float(event.index[0]), float(event.index[1])))

    click.__annotations__["event"] = gr.SelectData  # gradio knows by it what to pass
    private = {"api_visibility": "private"}
    folder.upload(lambda chosen: chosen, folder, files, **private)
    button.click(make, [files, matching, focal], [words, report, kept, name, photo, length, clicks], **private)
    name.input(show, [kept, name], [photo, length, clicks], **private)
    photo.select(click, [kept, name, clicks], [photo, length, clicks], **private)


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
