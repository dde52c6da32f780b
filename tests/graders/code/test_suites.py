"""Published benchmarks through the judge: references pass and wrong programs fail."""

import gzip
import json
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from k15.graders.code.cases import read_case
from k15.graders.code.judge import Judge
from k15.graders.code.suites import apps, complete, humaneval, humaneval_mul, mbpp
from k15.sandbox.languages import TOOLCHAINS, install_line
from k15.sandbox.local import LocalSandbox
from k15.sandbox.protocol import LANGUAGES, Language, Limits
from k15.types import Problem

DATA = Path(__file__).parents[4] / "shared/data/code"
THREADS = 2
SUFFIX = {"csharp": "cs", "javascript": "js", "typescript": "ts", "bash": "sh"}

# Completions of HumanEval/53 (add), wrong, and of HumanEval/8 (sum and product), right.
COMPLETIONS: dict[Language, tuple[str, str]] = {
    "python": (
        "    return x * y\n",
        "    return sum(numbers), __import__('math').prod(numbers)\n",
    ),
    "cpp": (
        "    return x * y;\n}\n",
        "    long s = 0, p = 1;\n    for (long n : numbers) s += n, p *= n;\n"
        "    return {s, p};\n}\nand then",
    ),
    "java": (
        "        return x * y;\n    }\n",
        "        long s = 0, p = 1;\n        for (long n : numbers) { s += n; p *= n; }\n"
        "        return Pair.with(s, p);\n    }\nand then",
    ),
    "csharp": (
        "        return x * y;\n    }\n",
        "        return Tuple.Create(numbers.Sum(), numbers.Aggregate(1L, (p, n) => p * n));\n"
        "    }\nand then",
    ),
    "javascript": (
        "  return x * y;\n}\n",
        "  return numbers.reduce(([s, p], n) => [s + n, p * n], [0, 1]);\n}\nconsole.log(and then",
    ),
    "typescript": (
        "  return x * y;\n}\n",
        "  let s = 0, p = 1;\n  for (const n of numbers) { s += n; p *= n; }\n"
        "  return [s, p];\n}\n// and then",
    ),
    "php": (
        "    return $x * $y;\n}\n",
        "    return array(array_sum($numbers), array_product($numbers));\n}\n?> and then",
    ),
    "bash": (
        "    echo $(($1 * $2))\n}\n",
        "    local s=0 p=1\n    for n in $1; do s=$((s + n)) p=$((p * n)); done\n"
        '    echo "$s $p"\n}\nand then',
    ),
}


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    sandbox = LocalSandbox()
    yield Judge(sandbox)
    sandbox.close()


def rows(name: str) -> list[dict[str, Any]]:
    path = DATA / name
    if not path.exists():
        pytest.skip(f"{path} is not there")
    content = path.read_bytes()
    text = gzip.decompress(content) if path.suffix == ".gz" else content
    return [json.loads(line) for line in text.splitlines()]


def passed(judge: Judge, programs: list[tuple[Problem, str]]) -> list[bool]:
    """Whether each program passes all tests of its problem."""

    def one(program: tuple[Problem, str]) -> bool:
        problem, source = program
        cases = [read_case(test) for test in problem.tests]
        return judge.passes(source, cases, problem.meta["language"])

    with ThreadPoolExecutor(THREADS) as threads:
        return list(threads.map(one, programs))


def humaneval_references() -> list[tuple[Problem, str]]:
    return [
        (humaneval(row), row["prompt"] + row["canonical_solution"])
        for row in rows("HumanEval.jsonl.gz")
    ]


def mbpp_references() -> list[tuple[Problem, str]]:
    return [(mbpp(row), row["code"]) for row in rows("mbpp.jsonl")]


def joined(problem: Problem) -> Problem:
    """The problem with its asserts in one test: a third of the runs."""
    code = "\n".join(test["code"] for test in problem.tests)
    names = sorted({name for test in problem.tests for name in test["entry_point"]})
    return replace(problem, tests=({"type": "assert", "code": code, "entry_point": names},))


def test_references_of_every_ninth_problem_pass(judge: Judge) -> None:
    programs = humaneval_references()[::9] + mbpp_references()[::40]
    programs += [p for p in mbpp_references() if p[0].id in ("MBPP/126", "MBPP/367", "MBPP/533")]
    assert len(programs) == 19 + 25 + 3
    assert passed(judge, programs) == [True] * len(programs)


@pytest.mark.slow
def test_all_references_of_humaneval_and_mbpp_pass(judge: Judge) -> None:
    """With all the CPU time that a slow machine may need: the longest takes about ten seconds."""
    judge = Judge(judge.sandbox, Limits(cpu_seconds=30))
    programs = humaneval_references()
    programs += [(joined(problem), source) for problem, source in mbpp_references()]
    assert len(programs) == 164 + 974
    verdicts = passed(judge, programs)
    assert [p.id for (p, _), right in zip(programs, verdicts, strict=True) if not right] == []


@pytest.mark.slow
def test_model_programs_get_the_verdict_that_they_are_labelled_with(judge: Judge) -> None:
    problems = {row["task_id"]: humaneval(row) for row in rows("HumanEval.jsonl.gz")}
    labels = {row["task_id"]: row["passed"] for row in rows("humaneval_codegen16b_labels.jsonl")}
    programs, expected = [], []
    for number, row in enumerate(rows("humaneval_codegen16b_solutions.jsonl.gz")):
        for sample in (number % 50, number % 50 + 50):
            programs.append((problems[row["task_id"]], row["prompt"] + row["samples"][sample]))
            expected.append(labels[row["task_id"]][sample])
    assert len(programs) == 328 and 50 < sum(expected) < 100
    assert passed(judge, programs) == expected


def test_apps_problems_of_both_kinds(judge: Judge) -> None:
    programs, expected = [], []
    for row in rows("apps_samples.jsonl"):
        for program in row["model_solutions"][:4]:
            programs.append((apps(row), program["code"]))
            expected.append(program["result"] is True)
    assert len(programs) == 20 and sum(expected) == 10
    assert passed(judge, programs) == expected


@pytest.mark.parametrize("language", LANGUAGES)
def test_humaneval_in_eight_languages(judge: Judge, language: Language) -> None:
    if any(shutil.which(name) is None for name in TOOLCHAINS[language].executables):
        pytest.skip(f"no toolchain: {install_line(language)}")
    table = rows(f"humaneval_mul/humaneval-{SUFFIX.get(language, language)}.jsonl")
    found = {int(row["task_id"].replace("/", "_").split("_")[1]): row for row in table}
    programs = []
    for number, completion in zip((53, 8), COMPLETIONS[language], strict=True):
        row = found[number]
        if language == "python":
            programs.append((humaneval(row), row["prompt"] + completion))
        else:
            programs.append((humaneval_mul(row, language), complete(row, completion, language)))
    assert passed(judge, programs) == [False, True]
