"""Text and picture form of one question: each is compared with the other's most frequent answer."""

import json
from collections.abc import Sequence
from dataclasses import replace

import pytest
from PIL import Image

from k15.rewards.consistency import ConsistencyReward, boxed, plurality
from k15.tasks.make24 import Make24
from k15.types import RolloutGroup

PICTURE = Image.new("RGB", (14, 14))


@pytest.fixture
def asked(make_group):
    """A group of boxed answers (None: no box) to question "q", as text or as a picture."""

    def make(answers: Sequence[str | None], *, picture=False, twin: str | None = "q"):
        texts = [f"so \\boxed{{{a}}}" if a is not None else "so what" for a in answers]
        group: RolloutGroup = make_group(texts)
        meta = {} if twin is None else {"twin": twin}
        images = (PICTURE,) if picture else ()
        return replace(group, problem=replace(group.problem, meta=meta, images=images))

    return make


def test_golden_numbers(asked) -> None:
    reward = ConsistencyReward()
    assert reward.score(asked(["7", "8", "8", None])) == [0.0] * 4  # no picture was asked yet
    # the text said 8 most often
    assert reward.score(asked(["8", "7", "7", None], picture=True)) == [1.0, 0.0, 0.0, 0.0]
    # the picture said 7 most often, whatever the text said before
    assert reward.score(asked(["7", "8", None, "7"])) == [1.0, 0.0, 0.0, 1.0]


def test_the_newest_group_counts(asked) -> None:
    reward = ConsistencyReward()
    reward.score(asked(["1", "1"]))
    reward.score(asked(["2", "2"]))
    assert reward.score(asked(["1", "2"], picture=True)) == [0.0, 1.0]
    reward.score(asked([None, None]))  # now the text has no answer
    assert reward.score(asked(["1", "2", None], picture=True)) == [0.0, 0.0, 0.0]


def test_questions_keep_apart_and_one_without_a_twin_gets_nothing(asked) -> None:
    reward = ConsistencyReward()
    reward.score(asked(["1"], twin="p"))
    assert reward.score(asked(["1"], twin="q", picture=True)) == [0.0]
    assert reward.score(asked(["1"], twin="p", picture=True)) == [1.0]
    assert reward.score(asked(["1"], twin=None)) == [0.0]
    assert reward.score(asked(["1"], twin=None, picture=True)) == [0.0]


def test_spelling_does_not_matter_and_the_last_box_counts() -> None:
    assert boxed(r"\boxed{1} or \boxed{\dfrac{1}{2}}") == boxed(r"\boxed{ \frac{1}{2} }")
    assert boxed(r"\boxed{1}") != boxed(r"\boxed{2}")
    assert boxed(r"\boxed{ }") is boxed(r"\boxed{1") is boxed(rf"\boxed{{{'1' * 1001}}}") is None


def test_of_equally_frequent_answers_the_first_counts() -> None:
    assert plurality([None, None, "b", "a", "a", "b"]) == "b"
    assert plurality(["b", "a", "a"]) == "a"
    assert plurality([None]) is plurality([]) is None


def test_a_resumed_run_compares_with_the_same_answers(asked) -> None:
    first, resumed = ConsistencyReward(), ConsistencyReward()
    first.score(asked(["1", "2", "2"]))
    resumed.load_state_dict(json.loads(json.dumps(first.state_dict())))
    first.score(asked(["5"]))  # the saved answers are a copy
    assert resumed.score(asked(["2", "1"], picture=True)) == [1.0, 0.0]


@pytest.mark.parametrize("split", ["train", "held_out"])
def test_a_task_gives_both_forms_of_a_question_one_twin(split) -> None:
    """Level 1 has some 35 questions: in 60 problems there are equal ones."""
    text, image = Make24(levels=[1], seed=3), Make24(levels=[1], seed=3, modality="image")
    twins = {}
    for index in range(60):
        asked, drawn = text.problem(index, split), image.problem(index, split)
        assert asked.meta["twin"] == drawn.meta["twin"] and bool(drawn.images)
        twins[asked.prompt[0]["content"]] = asked.meta["twin"]
    assert len(set(twins.values())) == len(twins)
