"""How long an iteration takes over its lower bound when lengths have a long tail.

    python benchmarks/partial_rollouts.py        a minute

Three plans of the collector side by side, on the same problems and lengths: uncut, an iteration
waits for everything it has started; segments, a response gets so many tokens per iteration (k1.5
§2.6); never waits, an iteration ends with its complete groups and what is unfinished is cut.

The lower bound is that of an engine whose slots are full all the time: new tokens / slots. Time is
counted in steps of the engine, one token of every slot, because a large model's step takes as long
for one response as for many. The scripted engine has the clock and lengths as in training with long
chains of thought; the tiny model really generates, a hundredth of these lengths.

Legend: a figure is the median of the iterations and their range, the first ones left out.
"""

from __future__ import annotations

import os

import k15  # noqa: F401  before transformers: heals torchvision

os.environ["OMP_NUM_THREADS"] = "1"

import argparse
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count
from random import Random
from statistics import mean, median, quantiles

import torch

from k15.engines.protocol import Completion, Request, Sampling
from k15.engines.scripted import ScriptedEngine
from k15.engines.transformers import TransformersEngine
from k15.models.policy import Policy
from k15.models.tiny import tiny_policy
from k15.rollouts.collector import Collector
from k15.rollouts.plan import RolloutPlan
from k15.sizes import Sizes
from k15.tasks.make24 import Make24
from k15.types import Problem, RolloutGroup

LONGEST, SEGMENT = 32_768, 4_096
MU, SIGMA = 7.80, 1.12
WARM_UP = 8  # iterations until the buffer holds what it will hold
PLANS = {
    "uncut": {},
    "segments": {"segment_tokens": SEGMENT, "max_staleness": None},
    "never waits": {"cut_unfinished": True, "max_staleness": None},
    "never waits, at most 4 old": {"cut_unfinished": True, "max_staleness": 4},
}


def length(seed: int, scale: int = 1) -> int:
    """Tokens of the response with this seed: log-normal, cut at the longest."""
    drawn = Random(seed).lognormvariate(MU, SIGMA)
    return max(1, int(min(drawn, LONGEST)) // scale)


@dataclass(frozen=True, slots=True)
class Iteration:
    """What one iteration did."""

    steps: int
    slots: int
    tokens: int
    groups: int
    oldest: int
    """Iterations since the oldest token that it hands out was generated."""
    seconds: float
    """Of the processor."""

    @property
    def over_bound(self) -> float:
        """Time over the lower bound."""
        return self.steps * self.slots / self.tokens


class Numbers:
    """A codec in which problem n has the prompt (n,)."""

    def encode(self, problem: Problem) -> tuple[int, ...]:
        return (int(problem.id),)

    def decode(self, tokens: Sequence[int]) -> str:
        return ""


class ScriptedLengths(ScriptedEngine):
    """As long as the request's seed says."""

    def __init__(self, slots: int) -> None:
        super().__init__(self.rest, slots=slots)

    @staticmethod
    def rest(request: Request, index: int) -> Sequence[int]:
        """What is left of the response."""
        return range(length(seed_in(request)) - len(request.tokens) + 1)


class EndlessPolicy(Policy):
    """Never stops by itself."""

    @property
    def stop_ids(self) -> tuple[int, ...]:
        return ()

    @stop_ids.setter
    def stop_ids(self, ids: tuple[int, ...]) -> None:
        return None


class ForcedLengths(TransformersEngine):
    """The tiny model's tokens, as many as the request's seed says."""

    def __init__(self, slots: int, scale: int) -> None:
        torch.manual_seed(0)
        tiny = tiny_policy(words=Make24().words, context=LONGEST // scale + 16)
        super().__init__(EndlessPolicy(tiny.model, tiny.processor), slots=slots)
        self.scale, self.earlier = scale, 0

    @property
    def steps(self) -> int:
        """The clock."""
        return self.earlier + (self.loop.steps if self.loop else 0)

    def generate(
        self, requests: Iterable[Request | None], sampling: Sampling
    ) -> Iterator[Completion]:
        self.earlier = self.steps
        self.loop = None
        last: list[bool] = []

        def forced() -> Iterator[Request | None]:
            for request in requests:
                if request is not None:
                    rest = length(seed_in(request), self.scale) - len(request.tokens) + 1
                    last.append(rest <= request.max_new_tokens)
                    request = replace(request, max_new_tokens=min(rest, request.max_new_tokens))
                yield request

        for completion in super().generate(forced(), sampling):
            ends = completion.finish == "length" and last[completion.index]
            yield replace(completion, finish="stop") if ends else completion


def seed_in(request: Request) -> int:
    """The collector gives one to every request, the same for all parts of a response."""
    assert request.seed is not None
    return request.seed


def run(
    engine: ScriptedLengths | ForcedLengths, plan: RolloutPlan, iterations: int
) -> list[Iteration]:
    """So many iterations behind the first ones."""
    collector = Collector(engine, Numbers(), rewarded, plan)
    # Of the tiny model's vocabulary; what the problems are does not matter.
    problems = (Problem(id=str(5 + n % 20), prompt=(), answer="") for n in count())
    done = []
    for number in range(WARM_UP + iterations):
        engine.load_weights((), number)
        steps, started = engine.steps, time.process_time()
        experience = collector.collect(problems, number)
        versions = [v for g in experience.groups for r in g.rollouts for v in r.versions[:1]]
        done.append(
            Iteration(
                steps=engine.steps - steps,
                slots=engine.slots,
                tokens=int(experience.metrics["rollout/tokens"]),
                groups=len(experience.groups),
                oldest=number - min(versions, default=number),
                seconds=time.process_time() - started,
            )
        )
    return done[WARM_UP:]


def rewarded(group: RolloutGroup) -> RolloutGroup:
    """Some reward."""
    zeros = (0.0,) * len(group.rollouts)
    return replace(group, reward=zeros, outcome=zeros)


def report(
    name: str, engine: Callable[[], ScriptedLengths | ForcedLengths], sizes: Sizes, scale: int
) -> None:
    """One line per plan."""
    slots = engine().slots
    print(f"\n{name}: {sizes.problems_per_iteration} problems x {sizes.samples_per_problem}")
    print(f"through {slots} slots, time over the lower bound, the whole run's first")
    for title, settings in PLANS.items():
        settings = dict(settings)
        if "segment_tokens" in settings:
            settings["segment_tokens"] = SEGMENT // scale
        plan = RolloutPlan(sizes=sizes, max_response_tokens=LONGEST // scale, **settings)
        done = run(engine(), plan, ITERATIONS)
        whole = sum(i.steps for i in done) * slots / sum(i.tokens for i in done)
        ratios = [iteration.over_bound for iteration in done]
        per_token = 1e6 * sum(i.seconds for i in done) / sum(i.tokens for i in done)
        print(
            f"  {title:28}{whole:5.2f}  {median(ratios):5.2f} ({min(ratios):.2f}-{max(ratios):.2f})"
            f"   {mean(i.groups for i in done):5.1f} groups, oldest token"
            f" {max(i.oldest for i in done)} iterations, {per_token:.1f} us/token",
            flush=True,
        )


ITERATIONS = 12


def main() -> None:
    """Both engines."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--scale", type=int, default=100, help="of the tiny model's lengths")
    scale = parser.parse_args().scale
    torch.set_num_threads(1)
    drawn = [length(seed) for seed in range(20_000)]
    print(
        f"lengths: mean {mean(drawn):,.0f}, 95th percentile {quantiles(drawn, n=20)[-1]:,.0f}, "
        f"at most {max(drawn):,}"
    )
    sizes = Sizes(problems_per_iteration=64, samples_per_problem=8)
    report("scripted engine", lambda: ScriptedLengths(slots=256), sizes, 1)
    sizes = Sizes(problems_per_iteration=16, samples_per_problem=8)
    report("tiny model", lambda: ForcedLengths(slots=64, scale=scale), sizes, scale)


if __name__ == "__main__":
    main()
