"""Models of other libraries that bring their own weights: what goes wrong when they load, in one sentence."""

from __future__ import annotations

import contextlib
import pickle
import sys
import traceback
import urllib.error
from collections.abc import Iterator

from mickey_hloc.errors import MickeyHlocError, MissingDependencyError, WeightsError


@contextlib.contextmanager
def loading(title: str, install: str | None = None) -> Iterator[None]:
    """Load a model of another library; what it prints goes to stderr, what it draws leaves torch's seed as it was.

    Args:
        title: what is loaded, e.g. "The matcher loftr (outdoor)".
        install: the command that installs what it needs, where there is one.

    Raises:
        MissingDependencyError: a package that it imports is not installed.
        WeightsError: its weights are not there and cannot be downloaded, or are damaged; the message says which file
            and from where. Other errors (out of memory, a bug) stay what they are.
    """
    import torch  # slow to import

    try:
        # some print while they download, and tables go to stdout; layers draw weights before they are loaded
        with contextlib.redirect_stdout(sys.stderr), torch.random.fork_rng(devices=[]):
            yield
    except MickeyHlocError:
        raise
    except ImportError as error:
        advice = "" if install is None else f"; install it with all that it needs: {install}"
        raise MissingDependencyError(f"{title} cannot be imported ({error}){advice}.") from error
    except MemoryError:
        raise
    except (OSError, RuntimeError, ValueError, pickle.UnpicklingError, EOFError) as error:
        url, place = _failed_download(error)
        if url is not None:
            message = f"{title} needs weights that are not here: download {url} and save it {place}."
            raise WeightsError(message) from error
        if not _is_about_weights(error):
            raise
        reason = " ".join(str(error).split())[:160] or type(error).__name__
        raise WeightsError(f"{title} cannot be loaded ({type(error).__name__}: {reason}).") from error


def _is_about_weights(error: Exception) -> bool:
    """Whether a file of weights is missing, damaged or of another model."""
    if isinstance(error, (OSError, urllib.error.URLError, pickle.UnpicklingError, EOFError)):
        return True
    words = str(error).lower()
    return any(word in words for word in ("state_dict", "checkpoint", "pytorchstreamreader", "weights", "zip archive"))


def _failed_download(error: BaseException) -> tuple[str | None, str]:
    """Address and place of the file, read off the frames of the download: no library puts them into its error."""
    url, place = None, "where it looks for it"
    chain: BaseException | None = error
    while chain is not None:
        for frame, _ in traceback.walk_tb(chain.__traceback__):
            found = frame.f_locals
            if isinstance(repo := found.get("repo_id"), str):
                name = found.get("filename")
                file = f"/resolve/main/{name}" if isinstance(name, str) else ""
                return f"https://huggingface.co/{repo}{file}", f"in the cache of Hugging Face (hf download {repo})"
            if isinstance(found.get("url"), str) and found["url"].startswith("http"):
                target = found.get("cached_file") or found.get("dst")
                url, place = found["url"], f"as {target}" if target else place
        chain = chain.__cause__ or chain.__context__
    return url, place
