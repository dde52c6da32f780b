"""Judgements as data: splits by question, both labels, records refused by line and reason."""

import json
from itertools import islice
from pathlib import Path

import pytest

from k15.datamodules.judgements import JudgementData, RecordJudgements, TaskJudgements
from k15.models.policy import Policy
from k15.models.tiny import tiny_policy
from k15.tasks.judging import Judging, Make24Judging, judging_problem
from k15.tasks.make24 import Make24

SOLUTIONS = Path(__file__).parents[2] / "../shared/data/reward/gsm8k_solutions_train.jsonl"
JUDGING = Make24Judging(Make24())


def policy(**sizes) -> Policy:
    return tiny_policy(words=JUDGING.words, hidden_size=32, layers=1, **sizes)


def data(reasoning: bool = True, judging: Judging = JUDGING, **settings) -> JudgementData:
    source = TaskJudgements(judging, held_out_problems=20)
    of = settings.pop("policy", policy())
    settings = {"judgements": 100, "tokens_per_batch": 300, **settings}
    return JudgementData(policy=of, source=source, reasoning=reasoning, **settings)


def records(folder: Path, *rows: dict) -> str:
    file = folder / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(file)


def row(question: str = "1+1?", **fields) -> dict:
    known = {"question": question, "reference_answer": "2", "response": "So A: 2", "correct": True}
    return {**known, **fields}


def test_train_and_held_out_are_balanced_and_share_no_question() -> None:
    judged = data()
    judged.setup("fit")
    train = [example for group in judged.train for example in group]
    assert (len(train), len(judged.held_out)) == (100, 40)
    for examples in (train, judged.held_out):
        assert sum(example.correct for example in examples) == len(examples) / 2
    questions = {example.prompt_tokens[:8] for example in train}
    decoded = {judged.policy.decode(q).partition(":")[0] for q in questions}
    held = {judged.policy.decode(e.prompt_tokens).partition(":")[0] for e in judged.held_out}
    assert not decoded & held


def test_a_batch_holds_whole_questions_and_each_judgement_comes_once() -> None:
    judged = data()
    judged.setup("fit")
    seen = []
    for batch in judged.train_dataloader():
        for question in {example.question for example in batch}:
            assert sum(example.question == question for example in batch) == 2
        assert len(batch) * max(example.length for example in batch) <= 300 or len(batch) == 2
        seen += batch
    assert sorted(example.question for example in seen) == sorted([*range(50)] * 2)


def test_examples_are_what_the_judge_reads_and_writes() -> None:
    with_text, without = data(), data(reasoning=False)
    with_text.setup("fit")
    without.setup("fit")
    judgement = JUDGING.judgements(0, "held_out")[0]
    asked = judging_problem(judgement.question, judgement.reference, judgement.response)
    example = with_text.held_out[0]
    assert with_text.policy.decode(example.prompt_tokens) == asked.prompt[0]["content"]
    assert with_text.policy.decode(example.response_tokens) == judgement.text
    assert example.response_tokens[-1] == with_text.policy.tokenizer.eos_token_id
    assert without.held_out[0].prompt_tokens == example.prompt_tokens
    assert without.held_out[0].response_tokens == ()


def test_reasoning_and_room_are_checked() -> None:
    with pytest.raises(ValueError, match=r"there is none for .*train stage=reward_model"):
        data(judging=Judging(Make24())).setup("fit")
    data(reasoning=False, judging=Judging(Make24())).setup("fit")
    too_long = r"judgements cannot be used:\n  '.*', answered '.* exceed the model's context of 16"
    with pytest.raises(ValueError, match=too_long):
        data(policy=policy(context=16)).setup("fit")
    with pytest.raises(ValueError, match="judgements=0: at least one"):
        data(judgements=0)


def test_judgements_that_do_not_fit_are_left_out_where_that_is_asked_for(capsys) -> None:
    """A prompt is the question, the reference and the response."""
    lengths = sorted(example.length for example in made(reasoning=False).held_out)
    context = lengths[len(lengths) // 2]
    some = made(reasoning=False, policy=policy(context=context), max_refused=1.0)
    assert [e.length for e in some.held_out if e.length > context] == []
    assert len(some.held_out) == sum(length <= context for length in lengths)
    assert f"exceed the model's context of {context}" in capsys.readouterr().out


def made(**settings) -> JudgementData:
    judged = data(**settings)
    judged.setup("fit")
    return judged


def test_records_become_judgements_with_reasoning_from_the_label(tmp_path: Path) -> None:
    rows = [
        row("3+3?"),
        row("3+3?", response="A: 3, no: A: 5\n", correct=False),
        row("2+2?", response="?", correct=False),
        row("1+1?", reasoning="I count to 6.", correct=True),
    ]
    source = RecordJudgements(records(tmp_path, *rows), held_out_problems=1)
    (held_out,) = source.questions("held_out")
    assert [judgement.text for judgement in held_out] == [
        '<think>The response ends in 2. 2 is 2.</think>{"correct": true}',
        '<think>The response ends in 5. 5 is not 2.</think>{"correct": false}',
    ]
    first, second, again = islice(source.questions("train"), 3)
    assert first[0].reasoning == "The response ends in nothing. nothing is not 2."
    assert second[0].reasoning == "I count to 6."
    assert again == first


def test_no_order_of_the_records_decides_which_questions_are_held_out(tmp_path: Path) -> None:
    rows = [row(f"{n}+{n}?") for n in range(20)]
    sides = []
    for given in (rows, rows[::-1]):
        source = RecordJudgements(records(tmp_path, *given), held_out_problems=5)
        sides.append({group[0].question for group in source.held_out})
    assert sides[0] == sides[1] and len(sides[0]) == 5


def test_no_held_out_question_of_a_task_comes_twice() -> None:
    asked = [pair[0].question for pair in TaskJudgements(JUDGING).questions("held_out")]
    assert len(asked) == len(set(asked)) == 1000
    with pytest.raises(ValueError, match=r"data\.held_out_problems=8: .* has 7 different held-out"):
        TaskJudgements(Judging(Make24(levels=[1])), held_out_problems=8)


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"correct": "yes"}, r"rows\.jsonl:2: field 'correct' must be true or false, got 'yes'"),
        (
            {"reference_answer": None},
            r"rows\.jsonl:2: field 'reference_answer' must be .* got None",
        ),
        ({"question": " "}, r"rows\.jsonl:2: field 'question' .*data\.fields\.question="),
        ({"reference_answer": ["2"]}, r"got \['2'\] \(a list\)"),
        ({"response": "\ud800"}, r"field 'response' holds half a surrogate pair"),
        ({"reasoning": ["a"]}, r"field 'reasoning' must be text, got \['a'\] \(a list\)"),
    ],
)
def test_records_are_refused_by_line_and_reason(tmp_path: Path, fields: dict, error: str) -> None:
    with pytest.raises(ValueError, match=error):
        RecordJudgements(records(tmp_path, row(), {**row("2+2?"), **fields}), held_out_problems=1)


def test_both_splits_need_a_question(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"held_out_problems=1: .* has 1 questions"):
        RecordJudgements(records(tmp_path, row()), held_out_problems=1)


@pytest.mark.skipif(not SOLUTIONS.exists(), reason="the shared data is not here")
def test_the_solutions_to_gsm8k_are_read() -> None:
    source = RecordJudgements(str(SOLUTIONS), held_out_problems=250)
    held_out = [j for group in source.questions("held_out") for j in group]
    trained = {group[0].question for group in source.train}
    assert len(held_out) >= 1000 and not trained & {j.question for j in held_out}
    everything = [j for group in (*source.train, *source.held_out) for j in group]
    assert (len(everything), sum(j.correct for j in everything)) == (4212, 1616)
    said = [j.reasoning for j in everything if j.correct]
    agreeing = sum(text.split(" is ")[0].split()[-1] == text.split()[-1][:-1] for text in said)
    assert agreeing / len(said) > 0.95
