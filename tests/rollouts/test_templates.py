"""A template around a question, with pictures and without."""

import pytest

from k15.config import ConfigError
from k15.rollouts.templates import check_templates, filled
from k15.types import Problem


def test_the_request_stands_around_the_question() -> None:
    prompt = ({"role": "system", "content": "Be brief."}, {"role": "user", "content": "1+1?"})
    problem = Problem(id="7", prompt=prompt, answer="2")
    asked = filled(problem, "planning", "Solve: {question} Plan first.")
    assert asked.prompt[0] == prompt[0]
    assert asked.prompt[1] == {"role": "user", "content": "Solve: 1+1? Plan first."}
    assert (asked.id, asked.answer) == ("7 (planning)", "2")


def test_pictures_stay_in_their_places() -> None:
    content = [{"type": "text", "text": "How long is"}, {"type": "image"}]
    problem = Problem(id="7", prompt=({"role": "user", "content": content},), answer="2")
    (turn,) = filled(problem, "plan", "{question} Plan first.").prompt
    assert turn["content"] == [*content, {"type": "text", "text": " Plan first."}]
    braces = filled(problem, "plan", "{question} Answer in \\boxed{}.").prompt[0]["content"]
    assert braces[-1]["text"] == " Answer in \\boxed{}."


@pytest.mark.parametrize(
    ("templates", "message"),
    [
        ({}, "traces.templates is empty"),
        ({"plan": "Plan first."}, r"traces.templates.plan: it has 0 places .* write {question}"),
        ({"plan": "{question}{question}"}, "it has 2 places"),
        ({"plan": None}, "it has 0 places"),
    ],
)
def test_templates_that_cannot_be_filled_are_refused(templates: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_templates(templates, "traces.templates")
