"""The eight languages: how a program is laid down, compiled and run, and what to install for it.

Commands run in the program's working directory, which holds its source file; what the compiler
leaves there is all that a run gets. Package names are Debian's (bookworm).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from k15.sandbox.protocol import Language, Limits, Program

PATH = "/usr/local/bin:/usr/bin:/bin"
"""Where a sandbox looks for toolchains, whatever the PATH of the process that starts it."""
ENVIRONMENT: Mapping[str, str] = MappingProxyType(
    {
        "LANG": "C.UTF-8",
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONINTMAXSTRDIGITS": "0",  # as on the judges of contests: integers of any length print
    }
)
"""What every program finds set, besides PATH, HOME and TMPDIR, which are the sandbox's own."""

OUT_OF_MEMORY = re.compile(
    rb"MemoryError|std::bad_alloc|OutOfMemory|heap out of memory|Allowed memory size"
)
"""What the runtimes say on stderr when a program ends for want of memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Toolchain:
    """How one language is compiled and run.

    In commands, {source} stands for the source file, {stem} for its name without the ending, {heap}
    for the MiB that a managed heap may take: three quarters of the memory limit, {package} for what
    stands before a Java class, and {boot} for `PYTHON_BOOT`.
    """

    source: str
    run: str
    compile: str = ""
    """Empty: there is no such step."""
    packages: str
    """Of Debian, separated by blanks."""
    reserve_mib: int = 0
    """Address space that the runtime reserves and never fills. It is added to the memory limit
    where that is put on the address space (RLIMIT_AS); what counts then is resident memory."""
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def executables(self) -> tuple[str, ...]:
        """What has to be found on PATH; ./main is made, not installed."""
        commands = (command.split()[0] for command in (self.compile, self.run) if command)
        return tuple(name for name in commands if not name.startswith("."))


PYTHON_BOOT = (
    "import runpy, site, sys; site.setquit(); del sys.argv[0]; "
    "runpy.run_path(sys.argv[0], run_name='__main__')"
)
"""Where `site` does not run, `exit` and `quit` are missing, and with it site-packages are there."""

TOOLCHAINS: Mapping[Language, Toolchain] = {
    "python": Toolchain(
        source="main.py", run="python3 -s -S -c {boot} {source}", packages="python3"
    ),
    "cpp": Toolchain(
        source="main.cpp",
        compile="g++ -std=c++20 -O2 -pipe -o main {source}",
        run="./main",
        packages="g++",
    ),
    "java": Toolchain(
        source="Main.java",
        compile="javac -J-XX:+UseSerialGC -J-XX:-UsePerfData -nowarn -encoding UTF-8 -d . {source}",
        run="java -ea -Xmx{heap}m -Xss64m -XX:+UseSerialGC -XX:-UsePerfData -cp . {package}{stem}",
        packages="openjdk-17-jdk-headless",
        reserve_mib=8192,
    ),
    "csharp": Toolchain(
        source="main.cs",
        compile="mcs -define:DEBUG -r:System.Numerics -out:main.exe {source}",
        run="mono main.exe",
        packages="mono-mcs mono-runtime libmono-system-numerics4.0-cil",
        reserve_mib=8192,
        # where Debug.Assert says that it failed; the program goes on after that
        environment={"MONO_TRACE_LISTENER": "Console.Error"},
    ),
    "javascript": Toolchain(
        source="main.js",
        run="node --max-old-space-size={heap} {source}",
        packages="nodejs",
        reserve_mib=8192,
    ),
    "typescript": Toolchain(
        source="main.ts",
        compile="tsc --target es2020 --lib es2020,dom --module commonjs {source}",
        run="node --max-old-space-size={heap} {stem}.js",
        packages="node-typescript nodejs",
        reserve_mib=8192,
    ),
    "php": Toolchain(
        source="main.php",
        run="php -d memory_limit={heap}M -d display_errors=stderr {source}",
        packages="php-cli",
    ),
    "bash": Toolchain(source="main.sh", run="bash {source}", packages="bash"),
}


COMMENT = re.compile(r"//[^\n]*|/\*.*?(?:\*/|\Z)", re.DOTALL)
KIND = r"(?:class|interface|record|enum)\s+(\w+)"
PUBLIC = re.compile(rf"\bpublic\s+(?:(?:final|abstract|strictfp)\s+)*{KIND}")
PACKAGE = re.compile(r"\s*package\s+([\w.]+)\s*;")
MAIN = re.compile(r"\bstatic\s+(?:final\s+)?void\s+main\s*\(")
TYPE_OR_BRACE = re.compile(rf"[{{}}]|\b{KIND}")
LONGEST_NAME = 255 - len(".java")  # bytes that a file's name may have: one may not be made longer


def source_name(program: Program) -> str:
    """The name of the program's source file.

    Java wants the file of a public class to be named like it, and starts the class it is given:
    that is the public class, else the one that holds `main`, else the first one. A class whose name
    no file can have does not compile.
    """
    toolchain = TOOLCHAINS[program.language]
    if program.language != "java":
        return toolchain.source
    text = COMMENT.sub("", program.source)
    public, main = PUBLIC.search(text), MAIN.search(text)
    if public:
        name = public[1]
    else:
        classes = _outermost(text[: main.start() if main else None])
        name = classes[-1 if main else 0] if classes else ""
    return f"{name}.java" if 0 < len(name.encode()) <= LONGEST_NAME else toolchain.source


def _outermost(text: str) -> list[str]:
    """The types of a Java program that lie in no other."""
    found, depth = [], 0
    for part in TYPE_OR_BRACE.finditer(text):
        if part[1] is not None:
            found += [part[1]] if depth == 0 else []
        else:
            depth += 1 if part[0] == "{" else -1
    return found


def compile_command(program: Program) -> tuple[str, ...]:
    """Empty where the language is not compiled."""
    return _fill(TOOLCHAINS[program.language].compile, program, heap=0)


def run_command(program: Program, limits: Limits) -> tuple[str, ...]:
    """To which the arguments of the run are added."""
    heap = max(16, limits.memory_mib * 3 // 4)
    return _fill(TOOLCHAINS[program.language].run, program, heap=heap)


def compile_limits(limits: Limits) -> Limits:
    """What the compilation may take: at least what a compiler needs for one ordinary file."""
    return replace(
        limits,
        cpu_seconds=max(30.0, limits.cpu_seconds),
        wall_seconds=max(120.0, limits.wall_seconds),
        memory_mib=max(2048, limits.memory_mib),
        disk_mib=max(64, limits.disk_mib),
        processes=max(64, limits.processes),
    )


def install_line(language: Language) -> str:
    """What a person types to get the language's toolchain."""
    return f"apt-get install {TOOLCHAINS[language].packages}"


def _fill(command: str, program: Program, *, heap: int) -> tuple[str, ...]:
    source = source_name(program)
    package = PACKAGE.match(COMMENT.sub("", program.source)) if program.language == "java" else None
    given = {
        "source": source,
        "stem": source.rpartition(".")[0],
        "package": f"{package[1]}." if package else "",
        "heap": heap,
        "boot": PYTHON_BOOT,
    }
    return tuple(part.format(**given) for part in command.split())
