"""Samplers draw by their weights, learn from groups and continue where they were saved."""

from collections import Counter

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
    sampler = Curriculum(schedule={0: [7]})
    sampler.bind(problems([1]), seed=0)
    with pytest.raises(ValueError, match="no problem"):
        next(sampler)
