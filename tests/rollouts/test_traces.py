"""Who writes traces: the model with its templates, a teacher that is loaded and forgotten, and the
source itself.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from k15.config import ConfigError
from k15.engines.scripted import ScriptedEngine
from k15.models.policy import Policy
from k15.models.tiny import tiny_policy
from k15.problems.conversations import ConversationSource
from k15.problems.sources import TaskSource
from k15.rollouts.drawing import Drawing
from k15.rollouts.traces import Demonstrated, Prompted, Teacher
from k15.tasks.make24 import Make24

TASK = Make24()
SOURCE = TaskSource(
    TASK,
    train_problems=4,
    held_out_problems=3,
    demonstrations={"give_up": 0.0, "max_trials": 100},
)
DRAWING = Drawing(samples_per_problem=2, max_response_tokens=20)


def policy(words: Sequence[str] = TASK.words, **sizes: int) -> Policy:
    torch.manual_seed(0)
    return tiny_policy(words=words, hidden_size=32, layers=1, **({"context": 160} | sizes))


def test_each_template_is_a_form_of_a_question() -> None:
    model = policy(())
    templates = {"plan": "{question} plan", "plain": "{question}"}
    traces = Prompted(model, ScriptedEngine({}), SOURCE, drawing=DRAWING, templates=templates)
    (problem,) = traces.problems("train", 1)
    assert problem == SOURCE.train[0] and len(traces.problems("held_out", None)) == 3
    forms = traces.forms(problem)
    question = problem.prompt[0]["content"]
    assert {name: one.prompt[0]["content"] for name, one in forms.items()} == {
        "plan": f"{question} plan",
        "plain": question,
    }
    for one in forms.values():
        said = [model.encode_response("yes"), model.encode_response("no")]
        traces.engine.responses[model.encode(one)] = said
    groups = list(traces.answers(list(forms.values()), None))
    assert [group.problem.id for group in groups] == [one.id for one in forms.values()]
    assert [one.text for one in groups[0].rollouts] == ["yes", "no"]
    assert traces.made_by().keys() == {"weights", "drawing"}


def test_a_chat_model_that_pads_with_the_end_of_a_turn_is_asked() -> None:
    """As SmolLM2 does: its template writes what it pads with behind every turn."""
    by = tiny_policy(hidden_size=32, layers=1)
    by.tokenizer.pad_token = by.tokenizer.eos_token
    system = {"role": "assistant", "content": "Ask."}  # closed by it
    (problem,) = SOURCE.train[:1]
    asked = replace(problem, prompt=(system, *problem.prompt))
    assert by.tokenizer.pad_token_id in by.encode(asked)
    traces = Prompted(by, ScriptedEngine({}), SOURCE, drawing=DRAWING)
    assert traces.why_not_asked(asked) is None


def test_a_model_that_lacks_the_words_or_the_room_is_not_asked() -> None:
    (problem,) = SOURCE.train[:1]
    by = policy()
    plan = {"plan": "{question} First write a plan."}
    traces = Prompted(by, ScriptedEngine({}), SOURCE, drawing=DRAWING, templates=plan)
    reason = traces.why_not_asked(traces.forms(problem)["plan"])
    assert reason is not None and "no tokens for words of traces.templates" in reason
    plain = Prompted(by, ScriptedEngine({}), SOURCE, drawing=DRAWING)
    assert plain.why_not_asked(problem) is None
    long = Prompted(by, ScriptedEngine({}), SOURCE, drawing=Drawing(max_response_tokens=159))
    reason = long.why_not_asked(problem)
    assert reason is not None and "data.max_response_tokens=159 exceed" in reason


def test_a_teacher_writes_with_its_own_tokens_and_is_closed(tmp_path: Path) -> None:
    """It is byte-level, whatever the student reads."""
    policy(()).save(tmp_path)
    closed = []

    class Once(ScriptedEngine):
        def close(self) -> None:
            closed.append(self)

    def engine(policy: Policy) -> Once:
        (problem,) = SOURCE.train[:1]
        return Once({policy.encode(problem): [policy.encode_response("Hm, yes.")]})

    traces = Teacher(SOURCE, path=str(tmp_path), drawing=DRAWING, make_engine=engine)
    (problem,) = traces.problems("train", 1)
    (group,) = traces.answers([problem], None)
    assert [one.text for one in group.rollouts] == ["Hm, yes."] * 2
    assert len(closed) == 1 and "policy" not in vars(traces)
    with pytest.raises(ConfigError, match=r"traces\.path=null"):
        Teacher(SOURCE, path=None, drawing=DRAWING)


def test_demonstrations_are_answers_that_have_ended() -> None:
    model = policy()
    traces = Demonstrated(model, SOURCE)
    problems = traces.problems("train", 5)
    assert problems == traces.problems("train", 5)
    before = traces.made_by()
    groups = list(traces.answers(problems, None))
    assert [group.problem for group in groups] == problems
    for group in groups:
        (rollout,) = group.rollouts
        assert TASK.check(group.problem, rollout.text) == 1.0
        assert rollout.finish == "stop" and model.decode(rollout.tokens) == rollout.text
    traces.responses[problems[0].id] += " "
    assert traces.made_by() != before


def test_conversations_are_no_traces(tmp_path: Path) -> None:
    pairs = ('{"prompt": "1+1?", "response": "2"}', '{"prompt": "1+2?", "response": "3"}')
    (tmp_path / "pairs.jsonl").write_text("\n".join(pairs))
    traces = Demonstrated(policy(()), ConversationSource(str(tmp_path / "pairs.jsonl")))
    with pytest.raises(ConfigError, match="its demonstration is a conversation"):
        traces.problems("train", None)
