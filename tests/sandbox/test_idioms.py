"""What programs of contests do to their input, output and stack works on every sandbox."""

import shutil

import pytest

from k15.sandbox.languages import TOOLCHAINS, install_line
from k15.sandbox.protocol import Input, Language, Program, Sandbox

SUM = "print(sum(map(int, {})))"
IDIOMS: dict[str, tuple[Language, str]] = {
    "a file of its own making for stdin": (
        "python",
        "import os, io\ninput = io.BytesIO(os.read(0, os.fstat(0).st_size)).readline\n"
        + SUM.format("input().split()"),
    ),
    "the modes of its streams": (
        "python",
        "import sys\nassert ('r' in sys.stdin.mode, 'r' in sys.stdout.mode) == (True, False)\n"
        + SUM.format("sys.stdin.buffer.read().split()"),
    ),
    "stdin mapped into memory": (
        "python",
        "import mmap\n" + SUM.format("mmap.mmap(0, 0, access=mmap.ACCESS_READ)[:].split()"),
    ),
    "stdin by number": ("python", SUM.format("open(0).read().split()")),
    "stdin by name": ("python", SUM.format("open('/dev/stdin').read().split()")),
    "stdout by name": ("python", "print(6, file=open('/dev/stdout', 'w'))"),
    "a greater stack": (
        "python",
        "import resource, sys\n"
        "resource.setrlimit(resource.RLIMIT_STACK, (2**28, resource.RLIM_INFINITY))\n"
        "sys.setrecursionlimit(10**6)\ndef f(n): return n and 1 + f(n - 1)\n"
        "print(f(10**5) // 16666)",
    ),
    "a thread with a stack": (
        "python",
        "import sys, threading\nsys.setrecursionlimit(10**7)\nthreading.stack_size(2**27)\n"
        "threading.Thread(target=lambda: print(6)).start()",
    ),
    "a pool of processes": (
        "python",
        "import multiprocessing\ndef f(x): return x + 1\nif __name__ == '__main__':\n"
        "    with multiprocessing.Pool(2) as pool: print(sum(pool.map(f, [0, 1, 2])))",
    ),
    "asyncio": (
        "python",
        "import asyncio\nasync def main():\n    await asyncio.sleep(0)\n    print(6)\n"
        "asyncio.run(main())",
    ),
    "bash: streams by name": ("bash", "read a b c; echo $((a + b + c)) > /dev/stdout"),
    "cpp: deep recursion": (
        "cpp",
        "#include <cstdio>\nint f(int n) { volatile char c[200]; c[0] = 1; return n ? c[0] + f(n -"
        ' 1) : 0; }\nint main() { std::printf("%d", f(200000) / 33333); }',
    ),
    "java: a package": (
        "java",
        "// its folder is not there\npackage a.b;\nclass Main { public static void main(String[] a)"
        " { System.out.println(6); } }",
    ),
    "javascript: stdin by name": (
        "javascript",
        "const text = require('fs').readFileSync('/dev/stdin', 'utf8')\n"
        "console.log(text.split(' ').map(Number).reduce((a, b) => a + b))",
    ),
    "javascript: timers and lines": (
        "javascript",
        "const lines = require('readline').createInterface({input: process.stdin})\n"
        "lines.on('line', () => setTimeout(() => console.log(6), 10))",
    ),
}


@pytest.mark.parametrize("idiom", IDIOMS)
def test_an_idiom_works(backends: tuple[str, Sandbox], idiom: str) -> None:
    language, source = IDIOMS[idiom]
    if "pool" in idiom and backends[0] == "local without namespaces":
        pytest.skip("its semaphores lie in /dev/shm, which is the machine's there")
    for executable in TOOLCHAINS[language].executables:
        if not shutil.which(executable):
            pytest.skip(install_line(language))
    [outcome] = backends[1].run(Program(source=source, language=language), [Input(stdin=b"1 2 3")])
    assert (outcome.cause, outcome.stdout.strip()) == ("ok", b"6"), outcome
