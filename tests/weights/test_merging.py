"""The average of two folders is the average of their tensors, whatever they are cut into; models
that have none are told apart before anything is written.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from k15.config.errors import ConfigError
from k15.models.loading import load_policy
from k15.models.tiny import tiny_policy
from k15.weights import merging
from k15.weights.merging import merge, read_checkpoint

MEBIBYTE = 2**20


def save(folder: Path, tensors: dict[str, torch.Tensor], **config: object) -> Path:
    """A folder with these tensors."""
    folder.mkdir()
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps({"architectures": ["Some"], **config}))
    return folder


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return {
        name: tensor
        for file in folder.glob("*.safetensors")
        for name, tensor in load_file(file).items()
    }


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two built-in models; the first is cut into files of its own."""
    folder = tmp_path_factory.mktemp("pair")
    torch.manual_seed(0)
    one, other = tiny_policy(layers=2), tiny_policy(layers=2)
    one.save(folder / "long")
    one.model.save_pretrained(folder / "long", max_shard_size="100KB")
    (folder / "long" / "model.safetensors").unlink()
    other.save(folder / "short")
    return folder / "long", folder / "short"


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_transformers_loads_the_average(
    pair: tuple[Path, Path], share: float, tmp_path: Path
) -> None:
    long, short = pair
    merge(long, short, tmp_path / "merged", share=share)
    first, second = (AutoModelForCausalLM.from_pretrained(folder) for folder in pair)
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "merged")
    others = dict(second.named_parameters())
    by_hand = {n: share * p + (1 - share) * others[n] for n, p in first.named_parameters()}
    for name, parameter in merged.named_parameters():
        torch.testing.assert_close(parameter, by_hand[name], rtol=1e-6, atol=1e-8)
        if share in (0.0, 1.0):
            assert torch.equal(parameter, by_hand[name])
    assert len(list((tmp_path / "merged").glob("*.safetensors"))) > 1
    assert AutoTokenizer.from_pretrained(tmp_path / "merged").get_vocab() == (
        AutoTokenizer.from_pretrained(long).get_vocab()
    )
    assert load_policy(str(tmp_path / "merged")).model.num_parameters() == first.num_parameters()


def test_every_type_is_averaged_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """0.75 · 8 + 0.25 · 4 = 7, exact in all of them; three rows of 8 bytes are three pieces."""
    monkeypatch.setattr(merging, "PIECE", 8)
    types = {"a": torch.float32, "b": torch.bfloat16, "c": torch.float16, "d": torch.float64}
    whole = {"steps": torch.tensor(5), "odd": torch.tensor([True, False, True])}
    one, other = (
        {n: torch.full((3, 2), value, dtype=t) for n, t in types.items()} | whole
        for value in (8.0, 4.0)
    )
    one["empty"] = other["empty"] = torch.zeros(0, 4)
    one["scalar"], other["scalar"] = torch.tensor(8.0), torch.tensor(4.0)
    long, short = save(tmp_path / "long", one), save(tmp_path / "short", other)
    merge(long, short, tmp_path / "merged", share=0.75)
    merged = weights(tmp_path / "merged")
    for name, dtype in types.items():
        assert torch.equal(merged[name], torch.full((3, 2), 7.0, dtype=dtype)), name
    assert merged["scalar"] == 7 and merged["empty"].shape == (0, 4)
    assert all(torch.equal(merged[name], tensor) for name, tensor in whole.items())
    assert len(list(read_checkpoint(long).tensors["a"].pieces())) == 3


def test_tensors_lie_at_multiples_of_their_size(tmp_path: Path) -> None:
    """An odd number of bytes in front of float32 would misplace it for whoever maps the file."""
    tensors = {"a": torch.tensor([1, 2, 3], dtype=torch.uint8), "b": torch.ones(2)}
    long, short = save(tmp_path / "long", tensors), save(tmp_path / "short", tensors)
    merge(long, short, tmp_path / "merged")
    content = (tmp_path / "merged" / "model.safetensors").read_bytes()
    size = int.from_bytes(content[:8], "little")
    start, _ = json.loads(content[8 : 8 + size])["b"]["data_offsets"]
    assert (8 + size + start) % 4 == 0


TENSORS = {"x": torch.zeros(2, 2), "y": torch.zeros(3)}


@pytest.mark.parametrize(
    ("other", "config", "message"),
    [
        ({**TENSORS, "y": torch.zeros(4)}, {}, "y is F32 [3] in * and F32 [4] in *"),
        ({**TENSORS, "x": torch.zeros(2, 2).bfloat16()}, {}, "x is F32 [2, 2] in * and BF16"),
        ({**TENSORS, "w": torch.zeros(1)}, {}, "w is absent in * and F32 [1] in *"),
        ({"x": torch.zeros(2, 2)}, {}, "y is F32 [3] in * and absent in *"),
        (TENSORS, {"architectures": ["Other"], "a": 1}, "architectures is ['Some'] in *"),
        (TENSORS, {"rope_theta": 1e6}, "rope_theta is absent in * and 1000000.0 in *"),
    ],
)
def test_the_first_difference_is_named(
    other: dict[str, torch.Tensor], config: dict[str, object], message: str, tmp_path: Path
) -> None:
    long = save(tmp_path / "long", TENSORS)
    short = save(tmp_path / "short", other, **config)
    with pytest.raises(ConfigError, match=re.escape(message).replace(r"\*", ".*")):
        merge(long, short, tmp_path / "merged")
    assert not list(tmp_path.glob("merged*"))


def test_what_does_not_change_the_model_may_differ(tmp_path: Path) -> None:
    long = save(tmp_path / "long", TENSORS, max_position_embeddings=131072, dtype="float32")
    short = save(tmp_path / "short", TENSORS, max_position_embeddings=32768)
    merge(long, short, tmp_path / "merged")
    assert json.loads((tmp_path / "merged/config.json").read_text())["dtype"] == "float32"


def test_other_vocabularies_are_refused(tmp_path: Path) -> None:
    """The rows of the embedding would mean other tokens."""
    folders = [save(tmp_path / name, TENSORS) for name in ("long", "short")]
    for folder, tokens in zip(folders, ({"a": 0, "b": 1}, {"a": 0, "c": 1}), strict=True):
        (folder / "tokenizer.json").write_text(json.dumps({"model": {"vocab": tokens}}))
    with pytest.raises(ConfigError, match=r"id of token 'b' is 1 in .* and absent in"):
        merge(*folders, tmp_path / "merged")


def test_what_cannot_be_averaged_is_refused(tmp_path: Path) -> None:
    long = save(tmp_path / "long", {"n": torch.tensor([1, 2])})
    short = save(tmp_path / "short", {"n": torch.tensor([1, 3])})
    with pytest.raises(ConfigError, match="n: whole numbers that differ"):
        merge(long, short, tmp_path / "merged")
    assert not (tmp_path / "merged").exists()
    with pytest.raises(ConfigError, match=r"share=1\.5"):
        merge(long, short, tmp_path / "merged", share=1.5)
    eight = {"q": torch.zeros(4).to(torch.float8_e4m3fn)}
    quantised = [save(tmp_path / name, eight) for name in ("q1", "q2")]
    with pytest.raises(ConfigError, match=r"q is F8_E4M3 .*: quantised"):
        merge(*quantised, tmp_path / "merged")
    with pytest.raises(ConfigError, match="is there already"):
        merge(long, long, short)
    (long / "model.safetensors").write_bytes(b"torn")
    with pytest.raises(ConfigError, match=r"model\.safetensors: cannot be read"):
        merge(long, short, tmp_path / "merged")
    (long / "model.safetensors").rename(long / "pytorch_model.bin")
    with pytest.raises(ConfigError, match=r"no model\.safetensors there"):
        merge(long, short, tmp_path / "merged")


MEASURE = """
import resource, sys
import torch, safetensors
from k15.weights.merging import merge
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
merge(sys.argv[1], sys.argv[2], sys.argv[3])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_files(tmp_path: Path) -> None:
    """Two files of 200 MiB, 400 MiB to read, take less than 200 MiB."""
    tensors = {"a": torch.zeros(100 * MEBIBYTE // 4, 2), "b": torch.ones(2)}
    folders = [save(tmp_path / name, tensors) for name in ("long", "short")]
    command = [sys.executable, "-c", MEASURE, *map(str, folders), str(tmp_path / "merged")]
    grown = subprocess.run(command, check=True, capture_output=True, text=True, timeout=200)
    assert int(grown.stdout) < 200 * 1024
    assert torch.equal(weights(tmp_path / "merged")["b"], torch.ones(2))
