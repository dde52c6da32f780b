from dataclasses import replace

from k15.rewards.format import FormatReward
from k15.rewards.scorer import Scorer
from k15.rewards.task import TaskReward, TaskTruth
from k15.tasks.make24 import Make24


def test_the_task_grades_its_own_problems(make_group):
    # " 25 a2 b1": 25 - 2 + 1 = 24, and no other signs reach it
    problem = replace(
        make_group(["x"]).problem, meta={"start": 25, "values": (2, 1)}, answer="-a+b"
    )
    texts = [
        "<think>-a 23+b 24 yes</think>\\boxed{-a+b}",
        "<think>+a 27-b 26 no</think>\\boxed{+a-b}",
        "<think>-a 23+b 24 yes</think>\\boxed{-a+b",
        "24",
    ]
    group = replace(make_group(texts), problem=problem)
    assert TaskReward(Make24()).score(group) == [1.0, 0.0, 0.0, 0.0]


def test_it_verifies_the_answer():
    assert TaskReward(Make24()).outcome


def test_the_truth_beside_another_verifier_changes_nothing(make_group):
    """Two verifiers would add up; this one is a part of its own, with weight 0."""
    problem = replace(make_group(["x"]).problem, meta={"start": 25, "values": (2, 1)})
    group = replace(make_group(["</think>\\boxed{-a+b}", "24"]), problem=problem)
    pleased = FormatReward(pattern=".*")
    pleased.outcome = True  # a verifier that likes everything
    scored = Scorer({"answer": pleased, "truth": TaskTruth(Make24(), weight=0.0)}).score(group)
    assert scored.outcome == scored.reward == (1.0, 1.0)
    assert scored.parts == {"answer": (1.0, 1.0), "truth": (1.0, 0.0)}
