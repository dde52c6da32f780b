"""What a config may name, and what that takes."""

import pytest

from k15.config import ConfigError, build, load
from k15.config.targets import annotation, import_target, taken

OWN = """
    import os
    from subprocess import run

    def fine(size: "int | str", *, rate=1): ...

    class Base:
        def __init__(self, policy, seed=0): ...

    class Passes(Base):
        def __init__(self, *args, extra=1, **kw): ...

    number = 3
    """
SAID = "is of Python's own library, which configs may not name"


@pytest.fixture(autouse=True)
def own(write, monkeypatch):
    """A module that is on the path."""
    monkeypatch.syspath_prepend(write({"own_targets.py": OWN}))


@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "posix.system",
        "builtins.eval",
        "pathlib.Path.write_text",
        "own_targets.os.system",
        "own_targets.run",
        "own_targets.os.environ.clear",
        "torch.os.system",
        "k15.folders.os.remove",
    ],
)
def test_nothing_of_pythons_own_library(target):
    """Under whatever name, for a node that is checked and for one that is built."""
    with pytest.raises(ConfigError, match=SAID):
        taken(target, imports=True)
    with pytest.raises(ConfigError, match=SAID):
        build({"_target_": target})


def test_a_command_that_would_run_does_not(root, tmp_path):
    mark = tmp_path / "mark"
    argv = [f"rewards.x={{_target_: os.mkdir, path: {mark}}}"]
    with pytest.raises(ConfigError) as caught:
        load("train", argv, root)
    assert str(caught.value) == f"rewards.x._target_: os.mkdir {SAID}"
    assert not mark.exists()


def test_classes_of_users_are_imported_to_tell():
    assert taken("own_targets.fine", imports=False) is None
    assert [*taken("own_targets.fine", imports=True)] == ["size", "rate"]
    assert {*taken("own_targets.Passes", imports=True)} == {"extra", "policy", "seed"}
    assert "**" in taken("torch.zeros", imports=True)  # compiled code does not tell
    assert taken("k15.sizes.Sizes", imports=False) == taken("k15.sizes.Sizes", imports=True)


def test_annotations_of_both():
    assert annotation("own_targets.fine", "size") == "int | str"
    assert annotation("k15.sandbox.protocol.Limits", "memory_mib") == "int"
    assert annotation("own_targets.fine", "nope") == annotation("own_targets.nope", "x") == ""


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("own_targets.fien", "own_targets has no fien; did you mean own_targets.fine?"),
        ("own_targest.fine", "no module own_targest; did you mean own_targets?"),
        ("own_targets.number", "own_targets.number is no class or function"),
        ("own_targets", "no module own_targets"),
    ],
)
def test_what_is_not_there_is_told_with_the_nearest(target, message):
    with pytest.raises(ConfigError) as caught:
        import_target(target)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("target", [3, None, "", "a..b", "a b.c"])
def test_a_target_is_a_dotted_name(target):
    with pytest.raises(ConfigError, match="expected a name such as package"):
        taken(target, imports=True)


def test_a_typo_in_a_key_for_a_users_class_is_refused(root):
    """A name in the line with what is there; what k15 knows comes first, and without an import."""
    mine = ["rewards.x._target_=own_targets.fine", "rewards.x.sise=3"]
    with pytest.raises(ConfigError, match=r"did you mean rewards\.x\.size\?"):
        load("train", mine, root)
    with pytest.raises(ConfigError) as caught:
        load("train", [*mine, "trainer.max_epoch=3"], root)
    assert "sise" not in str(caught.value) and "max_epochs" in str(caught.value)
