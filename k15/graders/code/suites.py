"""Rows of public programming benchmarks as tests of a `Problem`.

    HumanEval, MBPP    asserts on the program's functions          humaneval, mbpp
    APPS               stdin and stdout, or calls of a function    apps
    HumanEval-Mul      eight languages (MultiPL-E, as DeepSeek-Coder publishes it)   humaneval_mul

Columns are those that the data sets are published with. What the tests need besides the program
(imports, the helper functions of a statement) comes from the row, never from the program.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from k15.graders.code.syntax import own_names, parsed
from k15.sandbox.protocol import Language
from k15.types import Problem

Row = Mapping[str, Any]
Test = dict[str, Any]

MODULES = (
    *("string", "re", "datetime", "collections", "heapq", "bisect", "copy", "math", "random"),
    *("statistics", "itertools", "functools", "operator", "io", "sys", "json"),
)
IMPORTS = "\n".join(
    [
        *(f"from {module} import *" for module in MODULES),
        "from builtins import *",  # whose pow, unlike math's, knows a modulus
        "from typing import *",
        f"import {', '.join(MODULES)}",
        "sys.setrecursionlimit(50000)",
    ]
)
"""What LiveCodeBench's runner (lcb_runner/evaluation/testing_util.py) puts before a program, and
what solutions of call-based problems are written to find: LeetCode's environment.
"""

MBPP_PROMPT = "{text} Your code should pass these tests:\n\n{tests}"

HEADS: Mapping[Language, str] = {
    "cpp": r"(?:#include.*\n)*",
    "java": r"(?s:.*?)class Problem \{\n",
    "csharp": r"(?s:.*?)class Problem \{\n",
    "php": r"<\?php\n",
    "bash": r"#!.*\n",
}
"""What of a prompt comes before the function."""

THROWING_ASSERT = """\
    static void ThrowingAssert(bool right) {
        if (!right) throw new Exception("assertion failed");
    }
"""

PAIR = """\
package org.javatuples;

public record Pair<A, B>(A first, B second) {
    public static <A, B> Pair<A, B> with(A first, B second) { return new Pair<>(first, second); }
    public A getValue0() { return first; }
    public B getValue1() { return second; }
    public <C> Pair<C, B> setAt0(C value) { return new Pair<>(value, second); }
    public <C> Pair<A, C> setAt1(C value) { return new Pair<>(first, value); }
    public String toString() { return "[" + first + ", " + second + "]"; }
}
"""
"""What HumanEval in Java uses of the library javatuples."""


def humaneval(row: Row) -> Problem:
    """HumanEval, also in the form that HumanEval-Mul has it.

    A program is the row's prompt with a completion, or the whole function.
    """
    functions = [node for node in parsed(row["prompt"]).body if isinstance(node, ast.FunctionDef)]
    entry_point = row.get("entry_point") or functions[-1].name
    [function] = [node for node in functions if node.name == entry_point]
    context = "".join(row["prompt"].splitlines(keepends=True)[: function.lineno - 1])
    call = f"check({entry_point})"
    test = row["test"] if row["test"].rstrip().endswith(call) else f"{row['test']}\n{call}\n"
    tests = {
        "type": "assert",
        "code": test,
        "entry_point": entry_point,
        "prelude": context,
    }
    return problem(row["task_id"], row["prompt"], [tests])


def mbpp(row: Row) -> Problem:
    """MBPP: one test per assert, so that a share of them can be passed."""
    body = parsed(row["code"]).body
    imports = [node for node in body if isinstance(node, ast.Import | ast.ImportFrom)]
    body = [node for node in body if node not in imports]
    setup = "\n".join([*map(ast.unparse, imports), row.get("test_setup_code", "")])
    defined = own_names(ast.Module(body, []))
    tests = [
        {
            "type": "assert",
            "code": f"{setup}\n{test}",
            "entry_point": sorted(names_in(f"{setup}\n{test}") & defined),
        }
        for test in row["test_list"]
    ]
    prompt = MBPP_PROMPT.format(text=row["text"], tests="\n".join(row["test_list"]))
    return problem(f"MBPP/{row['task_id']}", prompt, tests)


def apps(row: Row) -> Problem:
    """APPS. A part of it wraps each value in a list: where that may be so, either is right."""
    cases = row["input_output"]
    cases = json.loads(cases) if isinstance(cases, str) else cases
    name = cases.get("fn_name")
    tests: list[Test] = []
    for given, wanted in zip(cases["inputs"], cases["outputs"], strict=True):
        if name is None:
            if lines(wanted).strip():  # else a program that prints nothing would pass
                test = {"type": "stdin", "input": lines(given), "output": lines(wanted)}
                tests.append({**test, "prelude": IMPORTS})
            continue
        wrapped = isinstance(wanted, list) and len(wanted) == 1
        test = {"type": "call", "function": name, "arguments": given, "output": wanted}
        tests.append({**test, "alternatives": wanted if wrapped else [], "prelude": IMPORTS})
    question = "\n\n".join(part for part in (row["question"], row["starter_code"]) if part)
    return problem(f"APPS/{row['problem_id']}", question, tests)


def humaneval_mul(row: Row, language: Language) -> Problem:
    """HumanEval in a language other than Python: prompt, function and tests form one program.

    The program that is judged is the whole function, as `complete` makes it of a completion.
    """
    code = row["tests"][len(closing_brace(row, language)) :]
    if language == "csharp":  # where a failed Debug.Assert does not end the program
        code = THROWING_ASSERT + code.replace("Debug.Assert(", "ThrowingAssert(")
    test = {
        "type": "program",
        "head": head(row["prompt"], language),
        "code": code,
        "files": {"org/javatuples/Pair.java": PAIR} if language == "java" else {},
    }
    return problem(row["task_id"], row["prompt"], [test], language)


def complete(row: Row, completion: str, language: Language) -> str:
    """The whole function, from what a model wrote after the prompt, cut at the stop tokens."""
    prompt = row["prompt"][len(head(row["prompt"], language)) :]
    ends = [completion.find(token) for token in row["stop_tokens"]]
    end = min((end for end in ends if end >= 0), default=len(completion))
    return f"{prompt}{completion[:end]}\n{closing_brace(row, language)}"


def problem(name: str, prompt: str, tests: Iterable[Test], language: str = "python") -> Problem:
    return Problem(
        id=name,
        prompt=({"role": "user", "content": prompt},),
        answer=None,
        domain="code",
        tests=tuple(tests),
        meta={"language": language},
    )


def head(prompt: str, language: Language) -> str:
    match = re.match(HEADS.get(language, ""), prompt)
    assert match, language
    return match[0]


def closing_brace(row: Row, language: Language) -> str:
    """With which the tests close the function that a completion leaves open; may be empty."""
    match = re.match(r"\s*\}", row["tests"]) if language in HEADS else None
    return match[0] if match else ""


def lines(text: str | list[str]) -> str:
    return text if isinstance(text, str) else "\n".join(text)


def names_in(code: str) -> set[str]:
    return {node.id for node in ast.walk(parsed(code)) if isinstance(node, ast.Name)}
