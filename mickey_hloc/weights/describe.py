"""What a weights file holds, without building the model: shapes off the file, widths off the shapes."""

import dataclasses
import math
import re
from collections import Counter
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from mickey_hloc.weights.state_file import load_state_file, unreadable


@dataclasses.dataclass(frozen=True)
class HeadWidths:
    """One head: channels in, channels out of each residual block, and how many self-attention layers."""

    channels_in: int
    widths: tuple[int, ...]
    attention_layers: int


@dataclasses.dataclass(frozen=True)
class Description:
    """A weights file.

    Attributes:
        format: in words.
        shapes: of every tensor, by name.
        dtypes: how many tensors have each type.
        metadata: what else the file says about itself.
    """

    format: str
    shapes: dict[str, tuple[int, ...]]
    dtypes: dict[str, int]
    metadata: dict[str, str]

    @property
    def parameters(self) -> int:
        """How many numbers the file holds."""
        return sum(math.prod(shape) for shape in self.shapes.values())

    @property
    def heads(self) -> dict[str, HeadWidths]:
        """MicKey's heads by name, as far as the file has any."""
        widths: dict[str, dict[int, tuple[int, ...]]] = {}
        layers: Counter[str] = Counter()
        for name, shape in self.shapes.items():
            if (match := re.search(r"(\w+)\.resblock(\d+)\.conv1\.weight$", name)) and len(shape) == 4:
                widths.setdefault(match[1], {})[int(match[2])] = shape
            elif match := re.search(r"(\w+)\.att_layer\.layers\.\d+\.q_proj\.weight$", name):
                layers[match[1]] += 1
        return {
            head: HeadWidths(blocks[min(blocks)][1], tuple(blocks[i][0] for i in sorted(blocks)), layers[head])
            for head, blocks in widths.items()
        }

    @property
    def contains_encoder(self) -> bool:
        """Whether a file with MicKey's heads has its encoder, of whatever kind."""
        return any(name.startswith("encoder.") for name in self.shapes)

    @property
    def encoder(self) -> tuple[int, int] | None:
        """(channels, blocks) of a vision transformer in the file; None without one."""
        width = next((s[0] for n, s in self.shapes.items() if n.endswith("patch_embed.proj.weight")), None)
        blocks = {m[1] for n in self.shapes if (m := re.search(r"(?:^|\.)blocks\.(\d+)\.norm1\.weight$", n))}
        return None if width is None else (width, len(blocks))


def describe(path: Path) -> Description:
    """Read the names and shapes of a .ckpt, .pth or .safetensors file.

    Raises:
        WeightsError: it is none of them, or damaged.
    """
    if path.suffix == ".safetensors":
        return _describe_safetensors(path)
    content = load_state_file(path, mmap=True)
    tensors = content.get("state_dict", content)
    simple = {k: v for k, v in content.items() if isinstance(v, int | float | str) and tensors is not content}
    return Description(
        "Lightning checkpoint (torch)" if tensors is not content else "state dict (torch)",
        {name: tuple(value.shape) for name, value in tensors.items()},
        dict(Counter(str(value.dtype).removeprefix("torch.") for value in tensors.values())),
        {str(key): str(value) for key, value in simple.items()},
    )


def _describe_safetensors(path: Path) -> Description:
    shapes: dict[str, tuple[int, ...]] = {}
    dtypes: Counter[str] = Counter()
    try:
        with safe_open(path, framework="numpy") as file:  # names and shapes need no torch
            for name in file.keys():  # noqa: SIM118 (not a mapping)
                entry: Any = file.get_slice(name)
                shapes[name] = tuple(entry.get_shape())
                dtypes[str(entry.get_dtype())] += 1
            metadata = dict(file.metadata() or {})
    except (SafetensorError, OSError) as error:
        raise unreadable(path, error) from error
    return Description("safetensors", shapes, dict(dtypes), metadata)
