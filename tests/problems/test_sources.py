"""Pools and demonstrations of procedural tasks."""

import pytest

from k15.problems.sources import TaskSource
from k15.tasks.make24 import Make24
from k15.tasks.programs import Programs


def test_a_task_pool_is_made_on_demand_and_stays() -> None:
    source = TaskSource(Make24(), train_problems=30, held_out_problems=20)
    assert len(source.train) == 30 and len(source.held_out) == 20
    assert source.train[-1] is source.train[29]
    assert len({problem.id for problem in (*source.train, *source.held_out)}) == 50
    with pytest.raises(IndexError):
        source.train[30]


def test_demonstrations_are_endless_and_repeatable() -> None:
    source = TaskSource(Make24(), train_problems=3, demonstrations={"give_up": [0.0, 0.5]})
    first = source.demonstration(1000)
    assert first == source.demonstration(1000)
    assert first[1].startswith("<think>")


def test_a_level_or_form_that_the_task_does_not_have():
    with pytest.raises(ValueError, match=r"task\.levels: make24 has levels 1 to 5, not 9"):
        TaskSource(Make24(levels=(1, 9)))
    with pytest.raises(
        ValueError, match=r"'programs' has no picture form; use task\.modality=text"
    ):
        TaskSource(Programs(modality="image"))


def test_no_question_comes_twice_and_a_small_task_has_a_small_pool(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Level 1 of Make 24 has 33 questions, of which 7 are held out."""
    source = TaskSource(Make24(levels=[1]), train_problems=40, held_out_problems=7)
    asked = [p.prompt[0]["content"] for p in (*source.train, *source.held_out)]
    assert len(source.train) == 26 and len(set(asked)) == 33
    assert "data.train_problems=40: task 'make24' has 26 different" in capsys.readouterr().out
    with pytest.raises(ValueError, match=r"data\.held_out_problems=8: .* has 7 different held-out"):
        TaskSource(Make24(levels=[1]), held_out_problems=8)


def test_a_task_takes_of_a_manner_what_it_knows() -> None:
    """One that always gives up tries once; `error` is for tasks whose demonstrators err."""
    manner = {"give_up": [1.0], "max_trials": 10, "error": 0.5}
    source = TaskSource(Make24(), demonstrations=manner)
    responses = [source.demonstration(index)[1] for index in range(20)]
    assert all(text.count(" no") + text.count(" yes") == 1 for text in responses)
    usual = TaskSource(Make24())
    assert any(usual.demonstration(index)[1].count(" no") > 1 for index in range(20))
