"""A model that writes generators: what it is asked, and what is taken from its response."""

import pytest

from k15.engines.scripted import ScriptedEngine
from k15.models.tiny import tiny_policy
from k15.problems.curation.asking import Asking
from k15.problems.test_generation.observing import Interface
from k15.problems.test_generation.tasks import Task
from k15.problems.test_generation.writer import ModelWriter, program
from k15.types import Problem

PROBLEM = Problem(
    id="p", prompt=({"role": "user", "content": "Add two numbers."},), answer=None, domain="code"
)
TASK = Task(problem=PROBLEM, interface=Interface(function="add"), programs=())


def test_the_model_is_given_statement_and_notes_and_its_program_is_taken() -> None:
    policy = tiny_policy(context=8192)
    asked: list[str] = []

    def respond(request, index):
        asked.append(policy.decode(request.tokens))
        return policy.encode_response("Here it is:\n```python\nprint(1)\n```")

    engine = ScriptedEngine(respond)
    assert ModelWriter(engine, policy)(TASK) == "print(1)\n"
    [prompt] = asked
    assert "Add two numbers." in prompt and "Graph.tree(n)" in prompt and "run 50 times" in prompt
    assert "that the function add is called with" in prompt


def test_the_first_program_of_several_responses_counts() -> None:
    policy = tiny_policy(context=8192)
    texts = ("no program", "```python\nprint(\n```", "```python\nprint(2)\n```")
    engine = ScriptedEngine(lambda request, index: policy.encode_response(texts[index]))
    writer = ModelWriter(engine, policy, asking=Asking(samples=3, max_tokens=100))
    assert writer(TASK) == "print(2)\n"


def test_a_prompt_that_does_not_fit_gives_no_program() -> None:
    policy = tiny_policy(context=256)
    assert ModelWriter(ScriptedEngine({}), policy)(TASK) is None


@pytest.mark.parametrize(
    ("response", "found"),
    [("```python\nx = 1\n```", "x = 1\n"), ("x = 1", None), ("```python\nx = (\n```", None)],
)
def test_only_python_is_a_program(response: str, found: str | None) -> None:
    assert program(response) == found
