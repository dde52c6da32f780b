"""One machine of E2B, holding one program: created, given guest and program, run, killed."""

from __future__ import annotations

import base64
import json
import secrets
import time
from dataclasses import asdict, replace
from pathlib import Path
from signal import SIGXCPU
from typing import Any

from k15.sandbox.languages import (
    ENVIRONMENT,
    OUT_OF_MEMORY,
    PATH,
    TOOLCHAINS,
    compile_command,
    compile_limits,
    install_line,
    run_command,
    source_name,
)
from k15.sandbox.protocol import Input, Limits, Outcome, Program

GUEST = Path(__file__).with_name("e2b_guest.py")
SPARE_SECONDS = 15.0
"""What a job may take beyond its wall-clock limit: the guest's start and cleaning, the network."""


class Machine:
    """Raises whatever the client raises; its owner turns that into the cause "infrastructure"."""

    def __init__(
        self, program: Program, limits: Limits, lifetime_seconds: int, internet: bool
    ) -> None:
        self.program, self.limits, self.internet = program, limits, internet
        self.toolchain = TOOLCHAINS[program.language]
        self.compiling = compile_limits(limits)
        longest = self.compiling.wall_seconds + 2 * SPARE_SECONDS
        self.lifetime_seconds = max(lifetime_seconds, int(2 * longest) + 1)
        self.base = f"/tmp/k15-{secrets.token_hex(8)}"
        self.client: Any = None
        self.until = 0.0
        self.refused: Outcome | None = None
        """What the compiler said, where it refused the program."""

    async def create(self, template: str, session: str, options: dict) -> None:
        from e2b_code_interpreter import AsyncSandbox

        self.client = await AsyncSandbox.create(
            template,
            timeout=self.lifetime_seconds,
            metadata={"k15": session},
            allow_internet_access=self.internet,
            **options,
        )
        self.until = time.monotonic() + self.lifetime_seconds

    async def prepare(self) -> None:
        """Lay down guest and program, and compile it. Raises MissingToolchain."""
        await self.client.files.write(f"{self.base}/guest.py", GUEST.read_bytes(), user="root")
        source = {source_name(self.program): self.program.source.encode(errors="surrogateescape")}
        command = compile_command(self.program) or ("true",)
        files = {**self.program.files, **source}
        answer = await self._job("prepare", command, files, b"", self.compiling)
        if tool := answer.get("missing"):
            raise MissingToolchain(
                f"language={self.program.language!r}: the E2B template has no {tool!r}; name one "
                f"in sandbox.template that was built with `{install_line(self.program.language)}`"
            )
        outcome = _outcome(answer, self.compiling)
        if outcome.cause != "ok":
            said = (outcome.stderr or outcome.stdout).decode(errors="replace")
            self.refused = replace(outcome, cause="compile", exit=None, detail=said)

    async def run(self, input: Input) -> Outcome:
        """Raises what the client raises, ValueError or KeyError on an unreadable answer."""
        if self.refused:
            return self.refused
        if self.until - time.monotonic() < self.limits.wall_seconds + 2 * SPARE_SECONDS:
            await self.client.set_timeout(self.lifetime_seconds)
            self.until = time.monotonic() + self.lifetime_seconds
        command = (*run_command(self.program, self.limits), *input.arguments)
        files = dict(input.files)
        answer = await self._job("run", command, files, input.stdin, self.limits)
        return _outcome(answer, self.limits)

    async def kill(self) -> None:
        if self.client is not None:
            await self.client.kill()

    async def _job(
        self,
        what: str,
        command: tuple[str, ...],
        files: dict[str, bytes],
        stdin: bytes,
        limits: Limits,
    ) -> dict[str, Any]:
        """The guest's answer to one job."""
        job = {
            "base": self.base,
            "internet": self.internet,
            "uid": 10**6 + secrets.randbelow(10**9),
            "command": command,
            "executables": self.toolchain.executables,
            "environment": {"PATH": PATH, **ENVIRONMENT, **self.toolchain.environment},
            "files": {name: base64.b64encode(data).decode() for name, data in files.items()},
            "stdin": base64.b64encode(stdin).decode(),
            "limits": asdict(limits),
            "address_space": limits.memory_mib + self.toolchain.reserve_mib << 20,
        }
        path = f"{self.base}/job.json"
        await self.client.files.write(path, json.dumps(job).encode(), user="root")
        ended = await self.client.commands.run(
            f"exec python3 -I -S {self.base}/guest.py {what} {path}",
            user="root",
            timeout=limits.wall_seconds + SPARE_SECONDS,
        )
        return json.loads(ended.stdout)


def _outcome(answer: dict[str, Any], limits: Limits) -> Outcome:
    cause, exit = answer["limit"], int(answer["exit"])
    if cause is None and (answer["cpu_seconds"] > limits.cpu_seconds or exit == -SIGXCPU):
        cause = "cpu"
    stderr = base64.b64decode(answer["stderr"])
    if cause is None and exit and OUT_OF_MEMORY.search(stderr[-10_000:]):
        cause = "memory"
    return Outcome(
        cause=cause or ("crash" if exit else "ok"),
        stdout=base64.b64decode(answer["stdout"]),
        stderr=stderr,
        exit=exit,
        cpu_seconds=float(answer["cpu_seconds"]),
        wall_seconds=float(answer["wall_seconds"]),
        memory_mib=float(answer["memory_mib"]),
    )


class MissingToolchain(ValueError):
    """The template cannot run the language."""
