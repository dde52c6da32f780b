"""Tests of a Python program's functions, inside the sandbox, in two processes.

    tester   reads the nonce and the test, asks, compares, reports with the nonce   (not dumpable)
       │ fork, before anything is read; two pipes
    server   loads the program and answers: calls, attributes, iteration

The program lives in the server alone. It has neither the tester's stdin and stdout nor a way into
the tester's memory: PR_SET_DUMPABLE 0 gives /proc/<tester> to root and refuses ptrace, no-new-privs
refuses sudo, and the server tries the door before the program is loaded. So it never sees the nonce
without which a report is not believed. Whatever the program does to its own process changes the
answers it gives, and those it chooses anyway.

Values cross as JSON: those of builtin types (subclasses such as Counter or a namedtuple become the
base type), some value types of the standard library, everything else as a numbered handle. In the
tester a handle is equal to itself alone, and neither ordered nor a number: an `__eq__` or `__sub__`
of the program's own never decides an assert.

Exceptions cross as builtin ones, but none that ends a loop: `def f(x): raise StopIteration` would
win `assert all(map(f, xs))`. `soundness` says, outside the sandbox, which tests are worth running.

The sandbox is given `values`, `server`, `handles` and `tester` as one program (`program`), so they
import nothing else of k15; they need Python 3.10.
"""
