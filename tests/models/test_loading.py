"""What a folder holds is read, or refused by name; what is loaded can be saved again."""

import json
from pathlib import Path

import pytest
import torch

from k15.config import ConfigError
from k15.models.loading import load_policy
from k15.models.tiny import tiny_policy
from k15.tasks.make24 import Make24

TASK, PICTURES = Make24(), Make24(modality="image")


def test_code_in_a_folder_runs_only_if_the_config_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody is asked on standard input either."""
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("asked"))
    config = {"model_type": "own", "auto_map": {"AutoConfig": "own.OwnConfig"}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    mark = tmp_path / "mark"
    (tmp_path / "own.py").write_text(
        "from pathlib import Path\nfrom transformers import PretrainedConfig\n"
        f"Path({str(mark)!r}).touch()\nclass OwnConfig(PretrainedConfig): pass\n"
    )
    with pytest.raises(ConfigError, match=r"model\.trust_remote_code=true$"):
        load_policy(str(tmp_path))
    assert not mark.exists()
    with pytest.raises(ConfigError, match="tokenizer"):  # there is none
        load_policy(str(tmp_path), trust_remote_code=True)
    assert mark.exists()


@pytest.mark.parametrize(
    "defaults",
    [
        {"temperature": 0.6},
        {"top_p": 0.9},
        {"temperature": 0.6, "top_k": 20, "min_p": 0.1},
        {"do_sample": True, "temperature": 0.6},
        {},
    ],
)
def test_what_is_loaded_can_be_saved_again(defaults: dict, tmp_path: Path) -> None:
    """Sampling settings without `do_sample` are refused by transformers when it saves."""
    tiny_policy(words=TASK.words).save(tmp_path / "start")
    file = tmp_path / "start" / "generation_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **defaults}))
    load_policy(str(tmp_path / "start")).save(tmp_path / "end")
    saved = json.loads((tmp_path / "end" / "generation_config.json").read_text())
    assert {**defaults, **saved} == saved
    assert saved.get("do_sample", False) == bool(defaults)
    load_policy(str(tmp_path / "end"))


@pytest.mark.parametrize(
    "defaults", [{"num_return_sequences": 4, "num_beams": 2}, {"early_stopping": True}]
)
def test_what_could_not_be_saved_is_refused_when_it_is_loaded(
    defaults: dict, tmp_path: Path
) -> None:
    tiny_policy(words=TASK.words).save(tmp_path)
    file = tmp_path / "generation_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **defaults}))
    with pytest.raises(
        ConfigError, match=r"model\.path=.* cannot be read .*(num_return|early_stop)"
    ):
        load_policy(str(tmp_path))


@pytest.mark.parametrize("dtype", ["float32", "auto"])
def test_weights_are_of_the_number_type_that_is_asked_for(dtype: str, tmp_path: Path) -> None:
    of = tiny_policy(words=PICTURES.words, modality="image", hidden_size=32, layers=1)
    of.model.bfloat16()
    of.save(tmp_path)
    loaded = load_policy(str(tmp_path), dtype=dtype)
    expected = torch.float32 if dtype == "float32" else torch.bfloat16
    assert {parameter.dtype for parameter in loaded.model.parameters()} == {expected}
    problem = PICTURES.problem(0)
    features = loaded.expand(loaded.encode(problem), problem.images).features
    assert features["pixel_values"].dtype == expected
    with pytest.raises(ConfigError, match=r"model\.dtype='int8': choose float32, bfloat16"):
        load_policy(str(tmp_path), dtype="int8")
