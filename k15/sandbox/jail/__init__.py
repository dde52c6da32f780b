"""What `k15.sandbox.local` runs programs in: everything on the far side of its socket.

This folder imports nothing of k15 and little of the standard library: it is loaded as a package of
its own, `jail`, by a bare interpreter that becomes the zygote (`zygote.py`) and, forked, the guard
(`guard.py`) and the interpreter (`guest.py`) of every program.
"""
