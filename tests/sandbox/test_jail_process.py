"""What a process of the jail says when it does not start; `test_local.py` sees its life and end."""

import pytest

from k15.sandbox.jail_process import JailBroken, JailProcess
from k15.sandbox.jailer import interpreter


def test_its_last_words() -> None:
    with pytest.raises(
        JailBroken, match=r"the warden did not start: (?s:.*)KeyError: 'namespaces'"
    ):
        JailProcess("zygote", {}, python=interpreter(), name="warden")


def test_a_missing_interpreter() -> None:
    with pytest.raises(JailBroken, match=r"the zygote did not start: .*No such file"):
        JailProcess("zygote", {}, python="/no/python", name="zygote")
