"""Samplers draw by their weights, learn from groups and continue where they were saved."""

import re
from collections import Counter
from functools import partial

import numpy as np
import pytest

from k15.datamodules.samplers import Composed, Curriculum, Prioritized, Sampler, Uniform
from k15.types import Problem, Rollout, RolloutGroup


def problems(levels: list[int | None]) -> list[Problem]:
    return [
        Problem(id=str(i), prompt=(), answer="", difficulty=level) for i, level in enumerate(levels)
    ]


def group(problem: Problem, outcomes: list[float]) -> RolloutGroup:
    rollouts = tuple(Rollout() for _ in outcomes)
    return RolloutGroup(
        problem=problem, prompt_tokens=(), rollouts=rollouts, outcome=tuple(outcomes)
    )


def chi_square(sampler: Sampler, shares: list[float], draws: int = 20_000) -> float:
    """How far the drawn frequencies are from the expected shares."""
    counts = Counter(next(sampler).id for _ in range(draws))
    expected = {p.id: share * draws for p, share in zip(sampler.problems, shares, strict=True)}
    return sum((counts[name] - number) ** 2 / number for name, number in expected.items())


def test_uniform_draws_every_problem_alike() -> None:
    sampler = Uniform()
    sampler.bind(problems([1, 1, 2, 2]), seed=0)
    # 3 degrees of freedom: 16.3 is exceeded once in a thousand seeds
    assert chi_square(sampler, [0.25] * 4) < 16.3


def test_prioritized_draws_in_proportion_to_failure() -> None:
    """Rates 0, 0.5, 0.8 and 1 weigh 1, 0.5, 0.2 and the floor 0.05: sum 1.75."""
    sampler = Prioritized(floor=0.05, memory=0.0)
    pool = problems([1, 1, 1, 1])
    sampler.bind(pool, seed=0)
    for problem, correct in zip(pool, (0, 5, 8, 10), strict=True):
        sampler.observe(group(problem, [1.0] * correct + [0.0] * (10 - correct)))
    expected = [1 / 1.75, 0.5 / 1.75, 0.2 / 1.75, 0.05 / 1.75]
    assert chi_square(sampler, expected) < 16.3


def test_prioritized_keeps_a_running_rate() -> None:
    sampler = Prioritized(memory=0.75)
    (problem,) = pool = problems([1])
    sampler.bind(pool, seed=0)
    sampler.observe(group(problem, [1.0, 0.0]))
    assert sampler.success["0"] == 0.5
    sampler.observe(group(problem, [1.0, 1.0]))
    assert sampler.success["0"] == 0.75 * 0.5 + 0.25 * 1.0


def test_curriculum_follows_its_schedule() -> None:
    sampler = Curriculum(schedule={0: [1], 3: [1, 2]})
    sampler.bind(problems([1, 2, 3]), seed=0)
    assert sampler.weights().tolist() == [1, 0, 0]
    sampler.iteration = 3
    assert sampler.weights().tolist() == [1, 1, 0]


def test_curriculum_advances_when_the_hardest_open_level_is_mastered() -> None:
    sampler = Curriculum(advance_at=0.5, memory=0.5)
    pool = problems([1, 2, 3])
    sampler.bind(pool, seed=0)
    sampler.observe(group(pool[2], [1.0]))  # a level that is not open yet says nothing
    assert sampler.levels() == (1,)
    sampler.observe(group(pool[0], [1.0]))  # 0.5·0 + 0.5·1 = 0.5
    assert sampler.levels() == (1, 2)


def test_perfect_accuracy_opens_the_next_level() -> None:
    """1 - 0.9^n is 1.00 to a hundredth from n = 51 on: 0.9^50 = 0.0052, 0.9^51 = 0.0046."""
    sampler = Curriculum(advance_at=1.0)
    pool = problems([1, 2])
    sampler.bind(pool, seed=0)
    for _ in range(50):
        sampler.observe(group(pool[0], [1.0, 1.0]))
    assert sampler.levels() == (1,)
    sampler.observe(group(pool[0], [1.0, 1.0]))
    assert sampler.levels() == (1, 2)


@pytest.mark.parametrize("levels", [[7], [1, 3], []])
def test_a_schedule_has_the_levels_of_its_problems(levels: list[int]) -> None:
    """Said when the pool is taken, not when iteration 9 comes; in a composition, too."""
    sampler = Curriculum(schedule={0: [1], 9: levels})
    expected = rf"from iteration 9 on the levels are {re.escape(str(levels))}, .* levels \[1, 2\]"
    for whole in (sampler, Composed({"curriculum": sampler, "prioritized": Prioritized()})):
        with pytest.raises(ValueError, match=expected):
            whole.bind(problems([1, 2, 2]), seed=0)


def test_composition_multiplies() -> None:
    easy_first = Curriculum(schedule={0: [1]})
    prioritized = Prioritized(floor=0.1, memory=0.0)
    sampler = Composed({"curriculum": easy_first, "prioritized": prioritized})
    pool = problems([1, 1, 2])
    sampler.bind(pool, seed=0)
    sampler.observe(group(pool[0], [1.0, 1.0, 1.0, 0.0]))
    assert sampler.weights().tolist() == [0.25, 1.0, 0.0]


@pytest.mark.parametrize(
    "make",
    [
        Uniform,
        Prioritized,
        lambda: Curriculum(advance_at=0.2),
        lambda: Composed({"c": Curriculum(advance_at=0.2), "p": Prioritized()}),
    ],
)
def test_a_restored_sampler_continues_exactly(make) -> None:
    pool = problems([1, 2, 3, 1, 2, 3])
    whole, first, second = make(), make(), make()
    for sampler in (whole, first, second):
        sampler.bind(pool, seed=4)
    for sampler in (whole, first):
        for _ in range(10):
            sampler.observe(group(next(sampler), [1.0, 0.0]))
    second.load_state_dict(first.state_dict())
    assert [next(whole).id for _ in range(50)] == [next(second).id for _ in range(50)]


def test_bad_settings_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match="floor=0"):
        Prioritized(floor=0)
    with pytest.raises(ValueError, match="schedule"):
        Curriculum()
    with pytest.raises(ValueError, match="1 problems have no difficulty"):
        Curriculum(advance_at=0.5).bind(problems([1, None]), seed=0)
    for share in (0.0, 1.5):
        with pytest.raises(ValueError, match=f"advance_at={share}"):
            Curriculum(advance_at=share)
    for make in (Prioritized, partial(Curriculum, advance_at=0.5)):
        with pytest.raises(ValueError, match=r"memory=1\.0"):
            make(memory=1.0)


def test_weights_that_are_all_zero_are_named() -> None:
    class Never(Sampler):
        def weights(self) -> np.ndarray:
            return np.zeros(len(self.problems))

    sampler = Never()
    sampler.bind(problems([1]), seed=0)
    with pytest.raises(ValueError, match="Never gives no problem a weight above 0 at iteration 0"):
        next(sampler)
