"""The code reward on real sandboxed runs."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from k15.graders.base import GraderFailure
from k15.rewards.code import CodeReward
from k15.rewards.scorer import Scorer
from k15.sandbox.local import LocalSandbox
from k15.sandbox.protocol import Limits
from k15.types import Problem, RolloutGroup

TESTS = tuple(
    {"type": "stdin", "input": f"{a} {b}\n", "output": str(a + b)}
    for a, b in ((1, 2), (2, 2), (10, -3), (0, 0))
)
RIGHT = "```python\nprint(sum(map(int, input().split())))\n```"
PARTLY = "```python\na, b = map(int, input().split())\nprint(abs(a) + abs(b))\n```"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[LocalSandbox]:
    sandbox = LocalSandbox()
    yield sandbox
    sandbox.close()


@pytest.fixture
def make_code_group(make_group: Callable[..., RolloutGroup]) -> Callable[..., RolloutGroup]:
    """Responses to a problem with tests."""

    def make(*texts: str, tests: tuple[dict, ...] = TESTS, **meta: object) -> RolloutGroup:
        group = make_group(texts, domain="code")
        return replace(group, problem=replace(group.problem, tests=tests, meta=meta))

    return make


def test_all_or_the_share_of_tests(
    sandbox: LocalSandbox, make_code_group: Callable[..., RolloutGroup]
) -> None:
    unclosed = RIGHT.removesuffix("```")
    group = make_code_group(RIGHT, PARTLY, f"{PARTLY}\nno, rather\n{RIGHT}", "none", unclosed)
    assert CodeReward(sandbox).score(group) == [1.0, 0.0, 1.0, 0.0, 1.0]
    assert CodeReward(sandbox, reward="fraction").score(group) == [1.0, 0.75, 1.0, 0.0, 1.0]


def test_bad_responses_are_wrong(
    sandbox: LocalSandbox, make_code_group: Callable[..., RolloutGroup]
) -> None:
    texts = [
        "",
        "print(3)",
        RIGHT.removesuffix(")\n```"),
        "x" * 10**7,
        "```python\nx = '" + "y" * 10**7 + "'\n```",
        "```python\nprint('\ud800')\n```",
        "```python\nprint(3)\0\n```",
        "```python\nimport os\nos._exit(0)\n```",
        "```python\nprint('passed')\n```",
    ]
    assert CodeReward(sandbox, threads=4).score(make_code_group(*texts)) == [0.0] * len(texts)


def test_equal_programs_of_a_group_are_judged_once(
    make_code_group: Callable[..., RolloutGroup],
) -> None:
    ran = []

    class Counting(LocalSandbox):
        def run(self, program, inputs, limits):  # type: ignore[no-untyped-def]
            ran.append(program.source)
            return super().run(program, inputs, limits)

    counting = Counting()
    group = make_code_group(RIGHT, PARTLY, f"again\n{RIGHT}", RIGHT)
    assert CodeReward(counting).score(group) == [1.0, 0.0, 1.0, 1.0]
    counting.close()
    assert len(ran) == 2


def test_a_response_without_a_fence_counts_where_that_is_wanted(
    sandbox: LocalSandbox, make_code_group: Callable[..., RolloutGroup]
) -> None:
    bare = "print(sum(map(int, input().split())))"
    group = make_code_group(bare, RIGHT, "words")
    assert CodeReward(sandbox, require_fence=False).score(group) == [1.0, 1.0, 0.0]


def test_the_program_is_what_a_response_concludes(
    sandbox: LocalSandbox, make_code_group: Callable[..., RolloutGroup]
) -> None:
    """Not what it thinks of, and not an example of its use."""
    defined = "```python\ndef add(a, b): return a + b\n```"
    example = "```python\nprint(add(1, 2))\n```"
    tests = ({"type": "call", "function": "add", "arguments": [1, 2], "output": 3},)
    texts = (f"{defined}\nSo:\n{example}", f"<think>{defined}</think>", f"<think>\n{defined}")
    group = make_code_group(*texts, f"<think>\n{example}\n</think>\n{defined}", tests=tests)
    assert CodeReward(sandbox).score(group) == [1.0, 0.0, 0.0, 1.0]


def test_all_three_formats_at_once(
    sandbox: LocalSandbox, make_code_group: Callable[..., RolloutGroup]
) -> None:
    tests = (
        {"type": "assert", "code": "assert add([1], [2]) == [1, 2]", "entry_point": "add"},
        {"type": "call", "function": "add", "arguments": [2, 3], "output": 5},
        {"type": "stdin", "input": "", "output": "7"},
    )
    both = "```python\ndef add(a, b): return a + b\nprint(add(3, 4))\n```"
    half = "```python\ndef add(a, b): return a + b\n```"
    group = make_code_group(both, half, tests=tests)
    assert CodeReward(sandbox).score(group) == [1.0, 0.0]
    assert CodeReward(sandbox, reward="fraction").score(group) == [1.0, pytest.approx(2 / 3)]


def test_the_problem_may_name_its_language(
    sandbox: LocalSandbox, make_code_group: Callable[..., RolloutGroup]
) -> None:
    group = make_code_group("```bash\nread a b; echo $((a + b))\n```", RIGHT, language="bash")
    assert CodeReward(sandbox).score(group) == [1.0, 0.0]


def test_limits_are_those_of_the_reward(
    sandbox: LocalSandbox, make_code_group: Callable[..., RolloutGroup]
) -> None:
    slow = "```python\nimport time\nwhile time.process_time() < 1.2: pass\nprint(3)\n```"
    group = make_code_group(slow, tests=TESTS[:1])
    assert CodeReward(sandbox, limits=Limits(cpu_seconds=0.5)).score(group) == [0.0]
    assert CodeReward(sandbox, limits=Limits(cpu_seconds=5.0)).score(group) == [1.0]


def test_a_broken_checker_is_a_grader_failure_and_drops_the_group(
    sandbox: LocalSandbox, make_code_group: Callable[..., RolloutGroup]
) -> None:
    tests = ({"type": "stdin", "input": "", "checker": "import os; os.abort()"},)
    group = make_code_group(RIGHT.replace("input()", "''"), "none", tests=tests)
    with pytest.raises(GraderFailure, match="the checker ended by crash"):
        CodeReward(sandbox).score(group)
    scorer = Scorer({"code": CodeReward(sandbox)}, retries=0)
    assert scorer.score(group) is None and scorer.dropped == 1


@pytest.mark.parametrize(
    ("tests", "meta", "message"),
    [
        ((), {}, "'p' has no tests"),
        (({"type": "stdin"},), {}, "'p': stdin test: input is missing"),
        (TESTS, {"language": "cobol"}, "'p': language='cobol': choose one of python, cpp"),
        (
            ({"type": "call", "function": "f", "arguments": [], "output": 1},),
            {"language": "java"},
            "'p': tests of type 'call' are for Python, not for java",
        ),
        (
            ({"type": "call", "function": "f", "arguments": [object], "output": 1},),
            {},
            "'p': test: <class 'object'> is no plain value",
        ),
        (
            ({"type": "program", "code": "assert f() == 1"},),
            {},
            "'p': a program could forge a pass of 'program' tests",
        ),
    ],
)
def test_a_problem_that_cannot_be_graded_is_refused_by_its_id(
    sandbox: LocalSandbox, tests: tuple[dict, ...], meta: dict, message: str
) -> None:
    prompt = ({"role": "user", "content": "Add."},)
    problem = Problem(id="p", prompt=prompt, answer=None, domain="code", tests=tests, meta=meta)
    with pytest.raises(ValueError) as caught:
        CodeReward(sandbox).check(problem)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"reward": "some"}, "reward='some': choose one of all, fraction"),
        ({"language": "go"}, "language='go': choose one of python"),
        ({"threads": 0}, "threads=0: at least one"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CodeReward(LocalSandbox(), **settings)


def test_its_sandbox_lives_as_long_as_the_run() -> None:
    sandbox = LocalSandbox()
    reward = CodeReward(sandbox)
    reward.setup(None, None, "fit")
    assert reward.grader.grade_program(_problem(), "print(3)").correct
    reward.teardown(None, None, "fit")
    assert reward.grader.grade_program(_problem(), "print(3)").correct  # starts again
    sandbox.close()


def _problem() -> Problem:
    return Problem(id="p", prompt=(), answer=None, domain="code", tests=TESTS[:1])
