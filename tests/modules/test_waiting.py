"""Nothing in a step waits for the device once per micro-batch or per token of a response."""

import torch

from k15.engines.protocol import Request, Sampling
from k15.engines.transformers import TransformersEngine
from tests.modules.test_rl import REWARDS, experience, fitted, module_of, policy
from tests.reads import Reads


def test_reads_are_seen() -> None:
    x = torch.arange(3.0)
    with Reads() as reads:
        x[x > 0], float(x[1]), bool(x.sum() > 1), x.nonzero(), x[torch.tensor([0, 1])]
    assert reads.count == 4


def reads_of_a_step(tokens_per_microbatch: int) -> tuple[int, int]:
    """Micro-batches of a minibatch, and reads in two passes over it: reference, and step."""
    of = policy()
    module = module_of(of, tokens_per_microbatch=tokens_per_microbatch, layout="shared")
    batch = experience(of, REWARDS)
    fitted(module, batch)
    (minibatch,) = module.minibatches(module.select_groups(batch), 1)
    with Reads() as reads:
        module.add_references([minibatch])
        module.minibatch_step(module.optimizers(), minibatch)
    return len(minibatch.micro_batches), reads.count


def test_micro_batches_do_not_wait_for_the_device() -> None:
    """The figures of a step are read behind it."""
    (few, once), (many, again) = reads_of_a_step(10_000), reads_of_a_step(60)
    assert (few, once) == (1, again) and many > 5


def reads_of_decoding(tokens: int, rows: int) -> int:
    of = policy()
    of.stop_ids = (0,)
    of.model.get_output_embeddings().weight.data[0] = 0  # never the most probable
    request = Request(tokens=(5, 6), max_new_tokens=tokens)
    with Reads() as reads:
        found = list(TransformersEngine(of).generate([request] * rows, Sampling(temperature=0.0)))
    assert [len(each.tokens) for each in found] == [tokens] * rows
    return reads.count


def test_decoding_asks_once_per_step_whether_a_response_has_ended() -> None:
    """Once for all rows, however many."""
    assert reads_of_decoding(12, rows=3) - reads_of_decoding(7, rows=3) == 5
    assert reads_of_decoding(12, rows=30) == reads_of_decoding(12, rows=3)
