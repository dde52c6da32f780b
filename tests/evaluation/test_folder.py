import json
import subprocess
import sys

import pytest
from omegaconf import OmegaConf

from k15.config import ConfigError
from k15.evaluation.folder import given_responses, newest_model, opened


def config(folder, **changes):
    plain = {
        "run_dir": str(folder),
        "seed": 1,
        "sampling_seed": 0,
        "responses": None,
        "threads": 1,
        "model": {"path": "a"},
        "benchmark": {"sums": {"limit": 5, "temperature": 0.0}},
        "prompting": {"cot": {"instruction": "Think."}},
    }
    made = OmegaConf.create(plain)
    for key, value in changes.items():
        OmegaConf.update(made, key.replace("__", "."), value)
    return made


def open_and_close(made):
    with opened(made):
        pass


def test_two_runs_do_not_write_to_one_folder(tmp_path):
    program = (
        "import sys; from omegaconf import OmegaConf; from k15.evaluation.folder import opened\n"
        "with opened(OmegaConf.load(sys.argv[1])):\n"
        "    print('open', flush=True); sys.stdin.read()\n"
    )
    saved = tmp_path / "config.yaml"
    saved.write_text(OmegaConf.to_yaml(config(tmp_path / "run")))
    with subprocess.Popen(
        [sys.executable, "-c", program, str(saved)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        with pytest.raises(ConfigError, match=f"process {other.pid} is writing there"):
            open_and_close(config(tmp_path / "run"))
        other.kill()
    open_and_close(config(tmp_path / "run"))  # a dead process holds no lock


def test_what_leaves_samples_as_they_are_may_change(tmp_path):
    open_and_close(config(tmp_path))
    open_and_close(config(tmp_path, threads=2, benchmark__sums__limit=9))
    open_and_close(config(tmp_path, benchmark__more={"temperature": 1.0}))


@pytest.mark.parametrize(
    ("key", "value", "named"),
    [
        ("seed", 2, "seed=1"),
        ("sampling_seed", 1, "sampling_seed=0"),
        ("model__path", "b", "model.path='a'"),
        ("benchmark__sums__temperature", 1.0, "benchmark.sums.temperature=0.0"),
        ("prompting__cot__instruction", "Guess.", "prompting.cot.instruction='Think.'"),
    ],
)
def test_a_folder_of_another_run_is_refused(tmp_path, key, value, named):
    open_and_close(config(tmp_path))
    with pytest.raises(ConfigError, match=named):
        open_and_close(config(tmp_path, **{key: value}))


def test_the_newest_model_is_a_policy(tmp_path):
    with pytest.raises(ConfigError, match="no trained model under"):
        newest_model(str(tmp_path))
    for number, name in enumerate(["Qwen3ForCausalLM", "Qwen3ForSequenceClassification"]):
        run = tmp_path / "rl" / str(number)
        (run / "model").mkdir(parents=True)
        (run / "model" / "config.json").write_text(json.dumps({"architectures": [name]}))
        (run / "fingerprint").write_text("")
    assert newest_model(str(tmp_path)) == str(tmp_path / "rl" / "0" / "model")


def write_lines(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def test_responses_made_elsewhere_are_numbered_by_problem(tmp_path):
    rows = [{"pid": "7", "response": "a"}, {"id": 8, "response": "b"}, {"pid": "7", "response": ""}]
    lines = given_responses(write_lines(tmp_path / "r.jsonl", *rows), "mathvista", {"7", "8"})
    assert [(line.id, line.index, line.response) for line in lines] == [
        ("7", 0, "a"),
        ("8", 0, "b"),
        ("7", 1, ""),
    ]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"pid": "7"}, r"r.jsonl:2: no field 'response'; the record has \['pid'\]"),
        ({"response": "a"}, r"r.jsonl:2: no field 'id' or 'pid'"),
        (
            {"pid": "7", "response": 5},
            r"r.jsonl:2: field 'response' must be text, got 5",
        ),
        ({"pid": "9", "response": "a"}, r"r.jsonl:2: benchmark mathvista has no problem '9'"),
    ],
)
def test_lines_that_cannot_be_used_are_refused(tmp_path, row, message):
    path = write_lines(tmp_path / "r.jsonl", {"pid": "7", "response": "a"}, row)
    with pytest.raises(ValueError, match=message):
        given_responses(path, "mathvista", {"7"})
