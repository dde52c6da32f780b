import inspect

import pytest

from k15.config.signatures import Signature, annotation, check, read
from k15.config.sources import UnknownTargetError

PACKAGE = {
    "sig_pkg/__init__.py": """
        from .things import Plain as Renamed, make
        from .stars import *
        from . import things
        try:
            from sig_pkg.fast import Engine
        except ImportError:
            Engine = None
        """,
    "sig_pkg/stars.py": "class Starred:\n    def __init__(self, star): ...",
    "sig_pkg/fast.py": "class Engine:\n    def __init__(self, speed): ...",
    "sig_pkg/lazy.py": "def __getattr__(name): ...",
    "sig_pkg/folder/leaf.py": "def grow(height: int, *, width=1): ...",
    "sig_pkg/things.py": """
        import functools
        import dataclasses
        from abc import ABC
        from dataclasses import KW_ONLY, dataclass, field
        from typing import ClassVar, Generic, NamedTuple, TypeVar
        from sig_pkg import stars
        import sig_pkg.stars as aliased
        from missing_package import Unknown

        class Plain:
            def __init__(self, a, /, b: int, *args, c: "str | None" = None): ...
            @classmethod
            def load(cls, path): ...
            @staticmethod
            def parse(text): ...
            class Inner:
                def __init__(self, depth): ...

        class Child(Plain, Generic[TypeVar("T")]):
            size = 3

        class Mixin(Plain): ...
        class Other(Plain):
            def __init__(self, other): ...
        class Diamond(Mixin, Other): ...

        class FromModule(stars.Starred): ...
        class FromAlias(aliased.Starred): ...
        class Empty(ABC): ...
        class Open(Plain):
            def __init__(self, **kwargs): ...
        class Half(Unknown): ...
        class OwnInit(Unknown):
            def __init__(self, own): ...
        class New:
            def __new__(cls, value): ...
        class Point(NamedTuple):
            x: int

        @dataclass(frozen=True)
        class Base:
            x: int
            kind: ClassVar[str] = "k"
            _: KW_ONLY
            y: float = 0.0
            hidden: int = field(init=False, default=1)

        @dataclasses.dataclass
        class Derived(Base):
            z: str = ""

        class Undecorated(Derived): ...

        @functools.cache
        def make(one, *, two=2, **rest): ...

        @Unknown.define
        class Woven:
            x: int

        def twice(a): ...
        def twice(a, b): ...

        short = Plain
        inner = Plain.Inner
        dynamic = make()
        first, second = dynamic
        """,
}


@pytest.fixture(autouse=True)
def package(write, monkeypatch):
    """`sig_pkg` is on the path and never imported."""
    monkeypatch.syspath_prepend(write(PACKAGE))


def names(target):
    signature = read(target)
    assert signature is not None
    return [*signature.parameters, *(["**"] if signature.takes_any else [])]


@pytest.mark.parametrize(
    ("target", "parameters"),
    [
        ("sig_pkg.things.Plain", ["b", "c"]),
        ("sig_pkg.Renamed", ["b", "c"]),
        ("sig_pkg.make", ["one", "two", "**"]),
        ("sig_pkg.Starred", ["star"]),
        ("sig_pkg.Engine", ["speed"]),
        ("sig_pkg.folder.leaf.grow", ["height", "width"]),  # a folder without __init__.py
        ("sig_pkg.things.Plain.load", ["path"]),
        ("sig_pkg.Renamed.load", ["path"]),
        ("sig_pkg.things.Child.load", ["path"]),
        ("sig_pkg.things.Plain.parse", ["text"]),
        ("sig_pkg.things.Plain.Inner", ["depth"]),
        ("sig_pkg.things.inner", ["depth"]),
        ("sig_pkg.things.short", ["b", "c"]),
        ("sig_pkg.things.Child", ["b", "c"]),
        ("sig_pkg.things.Diamond", ["other"]),  # Other comes before the Plain of Mixin
        ("sig_pkg.things.FromModule", ["star"]),
        ("sig_pkg.things.FromAlias", ["star"]),
        ("sig_pkg.things.Empty", []),
        ("sig_pkg.things.Open", ["**"]),
        ("sig_pkg.things.OwnInit", ["own"]),
        ("sig_pkg.things.New", ["value"]),
        ("sig_pkg.things.Base", ["x", "y"]),
        ("sig_pkg.things.Derived", ["x", "y", "z"]),
        ("sig_pkg.things.Undecorated", ["x", "y", "z"]),
        ("sig_pkg.things.twice", ["a", "b"]),
    ],
)
def test_parameters_are_read_from_source(target, parameters):
    assert names(target) == parameters


@pytest.mark.parametrize(
    "target",
    [
        "sig_pkg.things.Half",  # its base class is not installed
        "sig_pkg.things.Woven",  # its decorator may write a constructor
        "sig_pkg.things.Point",
        "sig_pkg.things.dynamic",
        "sig_pkg.things.second",
        "sig_pkg.lazy.Anything",
        "math.sqrt",
        "builtins.dict",
        "torch.zeros",
        "transformers.AutoModelForCausalLM.from_pretrained",
    ],
)
def test_what_source_does_not_tell_is_left_open(target):
    assert read(target) is None


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("sig_pkg.things.Plian", "sig_pkg.things has no Plian; did you mean sig_pkg.things.Plain?"),
        ("sig_pkg.thing.Plain", "sig_pkg has no thing; did you mean sig_pkg.things?"),
        ("sig_pkg.Starrred", "sig_pkg has no Starrred"),
        ("sig_pkg.things.Plain.lod", "Plain has no lod; did you mean Plain.load?"),
        ("sig_pkgg.things.Plain", "no module sig_pkgg; did you mean sig_pkg?"),
        ("sig_pkg.things", "sig_pkg.things is a module, name a class or function in it"),
        ("lightning.Trainr", "lightning has no Trainr; did you mean lightning.Trainer?"),
        ("Plain", "'Plain' is not a dotted name such as package.module.Class"),
        ("sig_pkg..Plain", "'sig_pkg..Plain' is not a dotted name such as package.module.Class"),
    ],
)
def test_unknown_target_names_the_nearest(target, message):
    with pytest.raises(UnknownTargetError) as caught:
        read(target)
    assert str(caught.value) == message


def test_check_reports_every_argument_with_the_nearest_and_all_parameters():
    assert list(check("a.", "sig_pkg.things.Base", ["x", "yy", "q"])) == [
        "a.yy: sig_pkg.things.Base has no parameter yy; did you mean a.y? (it takes x, y)",
        "a.q: sig_pkg.things.Base has no parameter q (it takes x, y)",
    ]
    assert list(check("a.", "sig_pkg.things.Open", ["anything"])) == []
    assert list(check("a.", "sig_pkg.things.Half", ["anything"])) == []


def test_annotation_is_as_written():
    assert annotation("sig_pkg.things.Plain", "b") == "int"
    assert annotation("sig_pkg.things.Plain", "c") == "'str | None'"
    assert annotation("sig_pkg.things.Plain", "nope") == ""
    assert annotation("sig_pkg.things.Base", "y") == "float"
    assert annotation("sig_pkg.no.such", "y") == ""


def test_a_function_of_keywords_is_a_signature():
    assert read("sig_pkg.folder.leaf.grow") == Signature({"height": "int", "width": ""})


@pytest.mark.parametrize(
    "target",
    [
        "lightning.Trainer",
        "lightning.pytorch.loggers.TensorBoardLogger",
        "lightning.pytorch.loggers.CSVLogger",
        "lightning.pytorch.callbacks.ModelCheckpoint",
        "lightning.pytorch.callbacks.LearningRateMonitor",
        "lightning.pytorch.strategies.FSDPStrategy",
        "lightning.LightningModule",
        "torch.optim.AdamW",
        "torch.optim.SGD",
        "torch.optim.lr_scheduler.CosineAnnealingLR",
        "torch.utils.data.DataLoader",
        "torch.nn.Linear",
        "torch.nn.functional.softmax",
        "fractions.Fraction",
        "json.dumps",
    ],
)
def test_source_and_import_agree(target):
    found = __import__("pkgutil").resolve_name(target)
    parameters = inspect.signature(found).parameters.values()
    by_name = [p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    star = ["**"] if any(p.kind is p.VAR_KEYWORD for p in parameters) else []
    assert names(target) == by_name + star
