from dataclasses import replace

from k15.rewards.task import TaskReward
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
