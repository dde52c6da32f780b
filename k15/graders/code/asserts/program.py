"""The tester as a program that a sandbox can run."""

from __future__ import annotations

import json
import marshal
import sys
from pathlib import Path

from k15.sandbox.protocol import Program

MODULES = ("values", "server", "handles", "tester")  # in the order in which they import each other

LOADER = """\
import json, marshal, os, sys
from types import ModuleType

compiled = f"tester.{sys.implementation.cache_tag}"
if os.path.exists(compiled):
    with open(compiled, "rb") as file:
        modules = marshal.load(file)
else:
    with open("tester.json") as file:
        modules = [(name, compile(text, name, "exec")) for name, text in json.load(file)]
for name, code in modules:
    module = sys.modules[name] = ModuleType(name)
    exec(code, module.__dict__)
module.main()
"""
"""Takes the bytecode if it is its own Python's: compiling takes longer than most tests."""


def tester_program() -> Program:
    """The program whose stdin is a request (see `tester.main`) and whose stdout are reports."""
    folder = Path(__file__).parent
    sources = [
        (f"{__package__}.{name}", (folder / f"{name}.py").read_text(encoding="utf-8"))
        for name in MODULES
    ]
    compiled = [(name, compile(text, name, "exec", dont_inherit=True)) for name, text in sources]
    return Program(
        source=LOADER,
        files={
            "tester.json": json.dumps(sources).encode(),
            f"tester.{sys.implementation.cache_tag}": marshal.dumps(compiled),
        },
    )
