"""The average of two models, from folder to folder (k1.5 §2.4, model merging).

    python -m k15.weights.merging LONG SHORT FOLDER --share 0.5

Nothing is trained and neither model is loaded: tensor after tensor, `PIECE` bytes at a time, is
read from both folders, averaged and written. The new folder has the files of the first one (its
shards, their index, configuration, tokenizer, chat template), so whatever loads that one loads the
average.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from shutil import copy2, rmtree
from typing import Any, BinaryIO

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from k15.config.errors import ConfigError
from k15.exits import exit_on_error
from k15.folders import UNFINISHED, whole

PIECE = 16 * 2**20
"""Bytes of one tensor that are in memory at once, in each of the two folders' types."""
BYTES = {
    **{"F64": 8, "F32": 4, "F16": 2, "BF16": 2},
    **{"I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1},
}
"""Sizes by number type. Weights in eight bits and less have scales, which no average keeps."""
OTHER_WEIGHTS = (".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".gguf", ".h5", ".msgpack")
"""How files end that hold weights, or the state of a training."""
OF_THE_FOLDER = {
    *("_name_or_path", "transformers_version", "dtype", "torch_dtype", "use_cache"),
    *("max_position_embeddings", "bos_token_id", "eos_token_id", "pad_token_id"),
}
"""What `config.json` may say otherwise of weights that are averaged; number types are compared
tensor by tensor.
"""


def merge(long: Path | str, short: Path | str, folder: Path | str, *, share: float = 0.5) -> None:
    """Write share · long + (1 − share) · short into a new Hugging Face folder.

    Averages are computed in float32 (float64 of such) and written in the type of the weights; whole
    numbers must be the same. The folder is there as a whole or not at all.

    Raises ConfigError, before anything is written, if `share` is not from 0 to 1, `folder` is there
    already, a model has no safetensors, or naming the first thing in which the two differ:
    architecture, vocabulary, or a tensor's name, shape or type.
    """
    if not 0 <= share <= 1:
        raise ConfigError(f"share={share}: of the first model, from 0 to 1")
    if Path(folder).exists():
        raise ConfigError(f"{folder}: is there already; choose another folder")
    first, second = read_checkpoint(long), read_checkpoint(short)
    check_same_kind(first, second)
    unfinished = Path(f"{folder}{UNFINISHED}")
    rmtree(unfinished, ignore_errors=True)  # of a killed process
    unfinished.mkdir(parents=True)
    for file in sorted(first.folder.iterdir()):
        if file.is_file() and not file.name.endswith(OTHER_WEIGHTS):
            copy2(file, unfinished)
    for name, tensors in first.shards().items():
        with whole(unfinished / name) as out:
            out.write(header(tensors))
            for tensor in tensors:
                write_average(out, tensor, second.tensors[tensor.name], share)
    unfinished.rename(folder)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A tensor in a file."""

    name: str
    file: Path
    dtype: str
    """As safetensors calls it: F32, BF16."""
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """In bytes."""
        return BYTES[self.dtype] * math.prod(self.shape)

    def pieces(self) -> Iterator[slice]:
        """Rows, at most `PIECE` bytes of them where a row is not larger."""
        rows = self.shape[0] if self.shape else 1
        step = max(1, PIECE * rows // max(1, self.size))
        return (slice(start, start + step) for start in range(0, rows, step))

    def read(self, rows: slice) -> Tensor:
        """Some rows. The file is mapped for as long as that takes: pages that were read would count
        as this process's memory until it is closed.
        """
        with safe_open(self.file, framework="pt") as file:
            if not self.shape:
                return file.get_tensor(self.name).clone()
            return file.get_slice(self.name)[rows].clone()


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A Hugging Face folder whose weights stay where they are."""

    folder: Path
    config: Mapping[str, Any]
    tensors: Mapping[str, Stored] = field(repr=False)

    def shards(self) -> dict[str, list[Stored]]:
        """The tensors of each file: wide types first, so that each begins at a multiple of its
        size.
        """
        found: dict[str, list[Stored]] = {}
        for tensor in sorted(self.tensors.values(), key=lambda one: (-BYTES[one.dtype], one.name)):
            found.setdefault(tensor.file.name, []).append(tensor)
        return found

    def vocabulary(self) -> dict[str, Any]:
        """Its tokens with their ids, as `tokenizer.json` has them; empty without one."""
        file = self.folder / "tokenizer.json"
        if not file.is_file():
            return {}
        content = json.loads(file.read_text(encoding="utf-8"))
        tokens = content.get("model", {}).get("vocab") or {}
        if isinstance(tokens, list):  # in the order of their ids, each with its score
            tokens = {token: id for id, (token, _) in enumerate(tokens)}
        return tokens | {added["content"]: added["id"] for added in content.get("added_tokens", ())}


def read_checkpoint(folder: Path | str) -> Checkpoint:
    """What a folder holds, from its configuration and the heads of its files.

    Raises ConfigError if that is no model in safetensors, or if one of them cannot be read.
    """
    folder = Path(folder)
    if not (folder / "config.json").is_file():
        raise ConfigError(f"{folder}: no model there (it has no config.json)")
    tensors: dict[str, Stored] = {}
    for file in listed_files(folder):
        try:
            with safe_open(file, framework="pt") as content:
                for name in content.keys():  # noqa: SIM118  it is no mapping
                    known = content.get_slice(name)
                    shape = tuple(known.get_shape())
                    tensors[name] = Stored(
                        name=name, file=file, dtype=known.get_dtype(), shape=shape
                    )
        except (OSError, SafetensorError) as error:
            raise ConfigError(f"{file}: cannot be read ({error})") from error
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return Checkpoint(folder=folder, config=config, tensors=tensors)


def listed_files(folder: Path) -> list[Path]:
    """The files that hold the weights: those of the index, else the one there is."""
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        names = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        return [folder / name for name in sorted(names)]
    if (folder / "model.safetensors").is_file():
        return [folder / "model.safetensors"]
    raise ConfigError(
        f"{folder}: no model.safetensors there; load it with transformers and write it anew with "
        "save_pretrained (an adapter: merged first)"
    )


def check_same_kind(first: Checkpoint, second: Checkpoint) -> None:
    """Raise ConfigError naming the first thing in which two models differ that are to be
    averaged.
    """

    def refuse(what: str, one: Any, other: Any) -> None:
        raise ConfigError(
            f"{what} is {one} in {first.folder} and {other} in {second.folder}: only models of one "
            "architecture with one vocabulary can be averaged"
        )

    keys = {*first.config, *second.config} - OF_THE_FOLDER
    for key in sorted(keys, key=lambda key: (key not in ("architectures", "model_type"), key)):
        one, other = (it.config.get(key, "absent") for it in (first, second))
        if one != other:
            refuse(f"config.json: {key}", one, other)
    for name in sorted({*first.tensors, *second.tensors}):
        one, other = (kind(it.tensors.get(name)) for it in (first, second))
        if one != other:
            refuse(name, one, other)
        if first.tensors[name].dtype not in BYTES:
            raise ConfigError(
                f"{name} is {one}: quantised weights have scales, and no average; take the models "
                "they were made from"
            )
    tokens = [it.vocabulary() for it in (first, second)]
    if all(tokens) and tokens[0] != tokens[1]:
        names = sorted({*tokens[0], *tokens[1]})
        name = next(name for name in names if tokens[0].get(name) != tokens[1].get(name))
        refuse(f"the id of token {name!r}", *(it.get(name, "absent") for it in tokens))


def kind(tensor: Stored | None) -> str:
    """Type and shape, in words."""
    return "absent" if tensor is None else f"{tensor.dtype} {list(tensor.shape)}"


def header(tensors: list[Stored]) -> bytes:
    """What a safetensors file begins with: the size of a JSON, and the JSON, which says where each
    tensor lies behind it (https://huggingface.co/docs/safetensors, format).
    """
    places: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for tensor in tensors:
        start, end = end, end + tensor.size
        shape = list(tensor.shape)
        places[tensor.name] = {"dtype": tensor.dtype, "shape": shape, "data_offsets": [start, end]}
    text = json.dumps(places, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # the tensors begin at a multiple of 8
    return len(text).to_bytes(8, "little") + text


def write_average(out: BinaryIO, one: Stored, other: Stored, share: float) -> None:
    """The bytes of a tensor's average, piece after piece."""
    for rows in one.pieces():
        averaged = average(one.read(rows), other.read(rows), share, one.name)
        out.write(averaged.reshape(-1).view(torch.uint8).numpy().data)


def average(one: Tensor, other: Tensor, share: float, name: str = "") -> Tensor:
    """share · one + (1 − share) · other, in their type; with a share of 0 or 1 one of them, bit for
    bit. Raises ConfigError for whole numbers that differ.
    """
    if not one.is_floating_point():
        if not torch.equal(one, other):
            raise ConfigError(f"{name}: whole numbers that differ have no average")
        return one
    exact = torch.promote_types(one.dtype, torch.float32)
    return torch.lerp(other.to(exact), one.to(exact), share).to(one.dtype)


@exit_on_error()
def main() -> None:
    """The command."""
    command = argparse.ArgumentParser(prog="python -m k15.weights.merging", description=__doc__)
    command.formatter_class = argparse.RawDescriptionHelpFormatter
    command.add_argument("long")
    command.add_argument("short")
    command.add_argument("folder", help="a new one")
    command.add_argument("--share", type=float, default=0.5, help="of the first model, 0 to 1")
    asked = command.parse_args()
    merge(asked.long, asked.short, asked.folder, share=asked.share)


if __name__ == "__main__":
    main()
