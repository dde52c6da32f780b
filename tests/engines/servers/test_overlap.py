"""Servers generate for the next iteration while the trainer is at this one."""

from contextlib import closing

import torch

from k15.datamodules.rl import RLDataModule
from k15.datamodules.samplers import Uniform
from k15.engines.servers.engine import ServedEngine
from k15.models.tiny import tiny_policy
from k15.problems.sources import TaskSource
from k15.rollouts.plan import RolloutPlan
from k15.tasks.make24 import Make24
from tests.datamodules.test_rl import SIZES, Watching, module, trainer
from tests.engines.servers.test_engine import SOON, STEADY, numbers
from tests.modules.test_iteration import Even


def test_an_iteration_is_collected_by_servers_beside_training() -> None:
    """Whatever is collected is one step old at least, and each group is trained on once."""
    torch.manual_seed(0)
    policy = tiny_policy(words=Make24().words, hidden_size=32, layers=1, context=160)
    settings = {"slots": 4, "seconds": 0.002}
    served = ServedEngine(policy, serves=STEADY, settings=settings, replicas=2, patience=SOON)
    with closing(served) as engine:
        data = RLDataModule(
            policy=policy,
            source=TaskSource(Make24(), train_problems=40, held_out_problems=2),
            engine=engine,
            sampler=Uniform(),
            rewards={"even": Even()},
            plan=RolloutPlan(
                sizes=SIZES, max_response_tokens=60, cut_unfinished=True, overlap=True
            ),
        )
        watching = Watching()
        fit = trainer(watching, epochs=5)
        fit.limit_val_batches = 0
        fit.fit(module(data), data)
        assert len(numbers(engine)) == 2
    assert [e.sampled_by for e in watching.experiences] == [0, 0, 1, 2, 3]
    for experience in watching.experiences[1:]:
        versions = {v for g in experience.groups for r in g.rollouts for v in r.versions}
        assert max(versions) == experience.iteration - 1
    handed_out = [group.number for e in watching.experiences for group in e.groups]
    assert len(handed_out) == len(set(handed_out)) == 5 * SIZES.problems_per_iteration
