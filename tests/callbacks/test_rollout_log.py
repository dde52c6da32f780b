"""Every rollout is on disk with all that is known of it; TensorBoard shows some."""

import io
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from lightning.pytorch.loggers import TensorBoardLogger
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from k15.callbacks.rollout_log import RolloutLog
from k15.types import Experience


def events(folder: Path) -> EventAccumulator:
    accumulator = EventAccumulator(str(folder), size_guidance={"images": 0, "tensors": 0})
    return accumulator.Reload()


def test_lines_say_all_that_is_known_of_a_rollout(run, make_policy, tmp_path: Path) -> None:
    policy = make_policy()
    experiment = run(RolloutLog(policy, str(tmp_path)), policy=policy, epochs=2)
    experiment.fit()
    files = sorted((tmp_path / "rollouts").iterdir())
    assert [file.name for file in files] == ["iteration_0000.jsonl", "iteration_0001.jsonl"]
    first, second, *others = (json.loads(line) for line in files[1].read_text().splitlines())
    problem = experiment.data.problems[0]
    assert len(others) == 2 and others[0]["problem"] == experiment.data.problems[1].id
    assert first == {
        "iteration": 1,
        "group": 0,
        "problem": problem.id,
        "difficulty": problem.difficulty,
        "prompt": problem.prompt[0]["content"],
        "prompt_tokens": len(policy.encode(problem)),
        "response": "<think>+a 25 no</think>\\boxed{+a}",
        "answer": problem.answer,
        "outcome": 1.0,
        "reward": 1.25,
        "parts": {"answer": 1.0, "length": 0.5},
        "tokens": 9,  # eight words and the end
        "finish": "stop",
        "versions": [1],
    }
    assert second == first | {
        "response": "</think>\\boxed{-a}",
        "outcome": 0.0,
        "reward": -0.25,
        "parts": {"answer": 0.0, "length": -0.5},
        "tokens": 5,
    }


@pytest.mark.parametrize(("shown", "tags"), [(1, ["sample/0"]), (9, ["sample/0", "sample/1"])])
def test_tensorboard_shows_one_response_of_the_first_groups(
    shown: int, tags: list[str], run, make_policy, tmp_path: Path
) -> None:
    policy = make_policy()
    logger = TensorBoardLogger(tmp_path, name="", version="board")
    run(RolloutLog(policy, str(tmp_path), shown), policy=policy, logger=logger).fit()
    board = events(tmp_path / "board")
    texts = {tag for tag in board.Tags()["tensors"] if tag.startswith("sample/")}
    assert sorted(texts) == [f"{tag}/text_summary" for tag in tags]
    (event,) = board.Tensors("sample/0/text_summary")
    text = event.tensor_proto.string_val[0].decode()
    assert "**response**: `<think>+a 25 no</think>\\boxed{+a}`" in text
    assert "**reward**: `1.25`" in text
    assert board.Tags()["images"] == []


def test_tensorboard_shows_the_picture_of_a_problem(run, make_policy, tmp_path: Path) -> None:
    policy = make_policy("image")
    logger = TensorBoardLogger(tmp_path, name="", version="board")
    log = RolloutLog(policy, str(tmp_path))
    experiment = run(log, policy=policy, modality="image", logger=logger)
    experiment.fit()
    board = events(tmp_path / "board")
    assert board.Tags()["images"] == ["sample/0", "sample/1"]
    for tag, problem in zip(("sample/0", "sample/1"), experiment.data.problems, strict=True):
        (event,) = board.Images(tag)
        shown = Image.open(io.BytesIO(event.encoded_image_string))
        assert np.array_equal(np.asarray(shown), np.asarray(problem.images[0]))


def test_one_rank_writes_for_all(run, make_policy, tmp_path: Path) -> None:
    log = RolloutLog(make_policy(), str(tmp_path))
    for first in (False, True):
        assert not log.folder.exists()
        rank = SimpleNamespace(is_global_zero=first, logger=None)
        log.on_train_batch_end(rank, None, None, Experience(iteration=12, groups=()), 0)
    assert [file.name for file in log.folder.iterdir()] == ["iteration_0012.jsonl"]
