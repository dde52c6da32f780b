"""Judges: batches say what single prompts say; a verdict that cannot be read is asked for again."""

from pathlib import Path

import pytest
import torch

from k15.engines.protocol import Request, Sampling
from k15.engines.scripted import ScriptedEngine
from k15.engines.transformers import TransformersEngine
from k15.graders.base import GraderFailure, Verdict
from k15.graders.judges import CotJudge, ValueJudge, cot_judge, read, value_judge
from k15.models.policy import Policy
from k15.models.tiny import tiny_policy
from k15.models.value_head import add_value_head, scores
from k15.tasks.judging import Make24Judging
from k15.tasks.make24 import Make24
from tests.closeness import close

JUDGING = Make24Judging(Make24())
QUESTION, REFERENCE, RESPONSE = " 25 a2 b1:", "-a+b", "\\boxed{-a+b}"


def policy(**sizes) -> Policy:
    torch.manual_seed(0)
    return tiny_policy(words=JUDGING.words, hidden_size=32, layers=1, **sizes)


def value_policy(**sizes) -> Policy:
    of = add_value_head(policy(**sizes))
    torch.nn.init.normal_(of.model.score.weight)
    return of


class Says(ScriptedEngine):
    """Answers a prompt with the texts for its attempts, one after the other."""

    def __init__(self, of: Policy, texts: dict[tuple[int, ...], list[str]]) -> None:
        super().__init__(self.answer)
        self.of, self.texts = of, texts
        self.calls: list[tuple[float, list[int | None]]] = []

    def answer(self, request: Request, index: int) -> tuple[int, ...]:
        return self.of.encode_response(self.texts[request.tokens].pop(0))

    def generate(self, requests, sampling: Sampling):
        seeds = [request.seed for request in requests]
        self.calls.append((sampling.temperature, seeds))
        return super().generate(requests, sampling)


def test_the_value_judge_gives_probabilities_whatever_the_batch() -> None:
    of = value_policy()
    prompts = [
        read(ValueJudge(of), j.question, j.reference, j.response)
        for index in range(10)
        for j in JUDGING.judgements(index)
    ]
    at_once, one_by_one = (
        [verdict.correct for verdict in ValueJudge(of, tokens_per_batch=n).judge(prompts)]
        for n in (100_000, 1)
    )
    with torch.no_grad():
        by_hand = torch.cat([scores(of, [prompt]) for prompt in prompts]).sigmoid().tolist()
    close(at_once, by_hand)
    close(one_by_one, by_hand)
    assert len({round(p, 4) for p in by_hand}) > 5


def test_an_unreadable_verdict_is_asked_for_again_and_never_a_zero() -> None:
    """Greedy first; then only the unread ones, at temperature 0.7 and with other seeds."""
    of = policy()
    right, wrong = '{"correct": true}', '{"correct": false}'
    texts = {(20,): [right], (21,): [" no", wrong], (22,): [" no", " yes", " 24"]}
    engine = Says(of, texts)
    judge = CotJudge(of, engine, max_new_tokens=8, attempts=3, temperature=0.7)
    found = judge.judge([(20,), (21,), (22,)])
    assert [(one.correct, one.detail) for one in found[:2]] == [(1.0, right), (0.0, wrong)]
    assert isinstance(found[2], GraderFailure) and "' 24'" in str(found[2])
    assert engine.calls == [(0.0, [0, 0, 0]), (0.7, [1, 1]), (0.7, [2])]


def test_a_verdict_that_was_cut_off_is_none() -> None:
    """The object closes with the third token; the stop token, the fourth, has no room."""
    of = policy()
    text = '{"correct": true}'
    assert len(of.encode_response(text)) == 4
    for room, kind in ((4, Verdict), (3, GraderFailure)):
        judge = CotJudge(of, Says(of, {(20,): [text]}), max_new_tokens=room, attempts=1)
        assert isinstance(judge.judge([(20,)])[0], kind)


def test_a_prompt_gets_the_same_verdict_beside_any_other() -> None:
    """An untrained model writes what it likes; retries at temperature 1 included."""
    of = policy()
    judge = CotJudge(of, TransformersEngine(of), max_new_tokens=8, attempts=3)
    prompt = read(judge, QUESTION, REFERENCE, RESPONSE)
    first = [repr(one) for one in judge.judge([prompt, prompt[:-1], prompt])]
    assert [repr(one) for one in judge.judge([prompt[:-1]])] == first[1:2]
    assert first[0] == first[2] == repr(judge.judge([prompt])[0])
    assert first[0] != first[1]


def test_a_response_that_does_not_fit_loses_its_beginning() -> None:
    judge = ValueJudge(value_policy(context=64))
    long = "+a 27 no" * 200 + RESPONSE
    tokens = read(judge, QUESTION, REFERENCE, long)
    text = judge.policy.decode(tokens)
    assert 40 < len(tokens) <= 64
    assert text.startswith(QUESTION) and text.endswith(f"{RESPONSE}\nVerdict:")
    cot = CotJudge(judge.policy, ScriptedEngine({}), max_new_tokens=30)
    assert len(read(cot, QUESTION, REFERENCE, long)) <= 34
    with pytest.raises(ValueError, match="context has 64 for them"):
        read(judge, QUESTION * 30, REFERENCE, long)


def test_words_that_the_judge_does_not_have_are_refused() -> None:
    judge = ValueJudge(value_policy())
    with pytest.raises(ValueError, match=r"lacks a word of .*train it on this task"):
        read(judge, " 25 a2 z1:", REFERENCE, RESPONSE)


def test_judges_load_from_folders(tmp_path: Path) -> None:
    of = policy()
    of.save(tmp_path / "cot")
    add_value_head(of)
    torch.nn.init.normal_(of.model.score.weight)
    of.save(tmp_path / "classic")
    classic = value_judge(str(tmp_path / "classic"))
    prompt = read(classic, QUESTION, REFERENCE, RESPONSE)
    expected = ValueJudge(of).judge([prompt])[0].correct
    close(classic.judge([prompt])[0].correct, expected)
    cot = cot_judge(
        str(tmp_path / "cot"), make_engine=TransformersEngine, max_new_tokens=5, attempts=1
    )
    assert (cot.max_new_tokens, len(cot.judge([prompt, prompt]))) == (5, 2)
    with pytest.raises(ValueError, match="attempts=0"):
        CotJudge(of, ScriptedEngine({}), attempts=0)
