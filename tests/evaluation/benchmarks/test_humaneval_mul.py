"""HumanEval-Mul: what a program is in each language, and one function that runs in all of them."""

import re
import shutil
from pathlib import Path

import pytest

from k15.evaluation.benchmarks.humaneval_mul import CODES, HumanEvalMul, bare
from k15.sandbox.languages import TOOLCHAINS, install_line
from k15.sandbox.local import LocalSandbox

DATA = Path(__file__).parents[4] / "shared" / "data" / "code" / "humaneval_mul"
needs_data = pytest.mark.skipif(not DATA.exists(), reason="../shared/data is not here")

COMPILED = ("java", "cpp", "csharp", "typescript")
ADD = {  # HumanEval/53
    "python": "def add(x: int, y: int):\n    return x + y",
    "java": "import java.util.*;\nclass Problem {\n    public static long add(long x, long y) {\n"
    "        return x + y;\n    }\n}",
    "cpp": "#include <string>\nlong sum(long x, long y) { return x + y; }\n"
    "long add(long x, long y) { return sum(x, y); }",
    "csharp": "using System;\nclass Problem {\n    public static long Add(long x, long y) {\n"
    "        return x + y;\n    }\n}",
    "javascript": "function add(x, y){\n  return x + y;\n}",
    "typescript": "function add(x: number, y: number): number {\n  return x + y;\n}",
    "php": "<?php\nfunction add($x, $y) {\n    return $x + $y;\n}\n",
    "bash": "#!/bin/bash\nadd() {\n    echo $(($1 + $2))\n}",
}


@needs_data
def test_all_languages_become_problems() -> None:
    problems = HumanEvalMul(str(DATA), sandbox=LocalSandbox()).problems()
    counts = dict.fromkeys(CODES, 0)
    for problem in problems:
        counts[problem.meta["language"]] += 1
    # as data/README.md counts them
    assert counts == {"python": 164, "java": 158, "cpp": 161, "csharp": 158, "javascript": 161,
                      "typescript": 159, "php": 161, "bash": 158}  # fmt: skip


@needs_data
@pytest.mark.parametrize(
    "language",
    [
        *("python", "javascript", "php", "bash"),
        *(pytest.param(name, marks=pytest.mark.slow) for name in COMPILED),
    ],
)
def test_a_whole_function_passes_and_a_wrong_one_does_not(language: str) -> None:
    missing = [tool for tool in TOOLCHAINS[language].executables if not shutil.which(tool)]
    if missing:
        pytest.skip(install_line(language))
    with HumanEvalMul(str(DATA), sandbox=LocalSandbox(), chosen=[language]) as benchmark:
        problem = next(p for p in benchmark.problems() if re.search(r"[/_]53(_|$)", p.id))
        right = f"Like this:\n```{language}\n{ADD[language]}\n```"
        assert benchmark.grade(problem, right).correct == 1
        wrong = right.replace("x + ", "x - ").replace("$1 + ", "$1 - ")
        assert benchmark.grade(problem, wrong).correct == 0


def test_what_the_tests_bring_along_is_taken_off() -> None:
    assert bare("<?php\nfunction f() {}\n", "php").strip() == "function f() {}"
    java = "import java.util.*;\npublic class Problem {\n    static int f() { return 1; }\n}\n"
    assert bare(java, "java").strip() == "static int f() { return 1; }"
    assert bare("static int f() { return 1; }", "java") == "static int f() { return 1; }"


def test_unknown_languages_and_missing_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"chosen=\['rust'\]: there is no rust; choose from python"
    ):
        HumanEvalMul("x", sandbox=LocalSandbox(), chosen=["rust"])
    message = r"benchmark.humaneval_mul.path=.*humaneval-java\.jsonl': no such file"
    with pytest.raises(ValueError, match=message):
        HumanEvalMul(str(tmp_path), sandbox=LocalSandbox(), chosen=["java"]).problems()
