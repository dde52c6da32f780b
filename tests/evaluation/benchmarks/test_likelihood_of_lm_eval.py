"""prompting=likelihood against lm-eval's own model on the same weights."""

import json
from pathlib import Path
from random import Random

import pytest
import torch

from k15.engines.transformers import TransformersEngine
from k15.evaluation.benchmarks.general import LmEval
from k15.evaluation.evaluator import Evaluator
from k15.evaluation.prompting.likelihood import Likelihood
from k15.models.tiny import tiny_policy

lm_eval = pytest.importorskip("lm_eval", reason="pip install 'k15[lm-eval]'")


def test_choices_are_those_of_lm_eval(tmp_path: Path) -> None:
    """Letters (MMLU), and whole words whose lengths differ: accuracy by sum and per character."""
    from lm_eval.models.huggingface import HFLM

    torch.manual_seed(0)
    policy = tiny_policy(initializer_range=0.3)
    draw = Random(0)
    rows = [
        {
            "question": f"{a}+{b}?",
            "subject": "anatomy",
            "choices": [str(a + b), str(a * b), "neither", "?"],
            "answer": draw.randrange(4),
        }
        for a, b in ((draw.randrange(30), draw.randrange(30)) for _ in range(12))
    ]
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    mmlu = LmEval(name="mmlu", path=str(file), tasks=["mmlu_anatomy"], folder="mmlu/default")
    modes = {"sum": Likelihood(name="sum"), "each": Likelihood(name="each", per_character=True)}
    evaluator = Evaluator(benchmarks={"mmlu": mmlu}, promptings=modes, run_dir=tmp_path)
    evaluator.run(TransformersEngine(policy), policy)
    ours = {(s.prompting, s.id): s.correct for s in evaluator.samples()}
    theirs = HFLM(pretrained=policy.model.eval(), tokenizer=policy.tokenizer, batch_size=1)
    [task] = mmlu._loaded.values()
    for problem in mmlu.problems():
        record, beginning = problem.meta["record"], problem.prompt[0]["content"]
        instances = task.construct_requests(doc=record, ctx=beginning)
        found = task.process_results(record, theirs.loglikelihood(instances))
        assert ours["sum", problem.id] == found["acc"]
        if "acc_norm" in found:
            assert ours["each", problem.id] == found["acc_norm"]
    assert len({value for (mode, _), value in ours.items() if mode == "sum"}) == 2
