"""Objects from nodes: how they are built, and what is handed on to them."""

import functools
import textwrap
from fractions import Fraction

import pytest
from omegaconf import OmegaConf

from k15.config import ConfigError, Parts, build

TARGETS = """
    from fractions import Fraction

    def fraction(numerator, denominator=None):
        return Fraction(numerator, denominator)

    class Trainer:
        def __init__(self, policy, steps=1, *, source=None, **kwargs):
            self.policy, self.steps, self.source, self.kwargs = policy, steps, source, kwargs

    def fail(text):
        raise KeyError(text)

    class Policy:
        made = 0

        def __init__(self, depth):
            Policy.made += 1
            self.depth = depth

    class Module:
        def __init__(self, policy, *, rate, seed=0):
            self.policy, self.rate, self.seed = policy, rate, seed

    class Passes(Module):
        def __init__(self, *args, **kw):
            super().__init__(*args, **kw)

    class Adds(Passes):
        def __init__(self, extra=2, **options):
            super().__init__(**options)
            self.extra = extra

    class Insists(Module):
        def __init__(self, **options):
            super().__init__(seed=5, **options)

    class Wraps:
        def __init__(self, module=None, policy=None):
            self.module, self.policy = module, policy

    def loss(inputs, policy, *, seed=0, weight=1):
        return inputs, policy, seed, weight
    """

SHARED = """
    parts: {policy: model, seed: seed, module: module, sandbox: sandbox}
    seed: 3
    sandbox: null
    model: {_target_: part_targets.Policy, depth: 2}
    module: {_target_: part_targets.Module, rate: 0.5}
    critic: {policy: "${model}", depth: "${model.depth}"}
    """


@pytest.fixture
def shared():
    """A config with parts."""
    import part_targets

    part_targets.Policy.made = 0
    return OmegaConf.create(textwrap.dedent(SHARED))


@pytest.fixture(autouse=True)
def targets(write, monkeypatch):
    """A package with targets that is on the path."""
    monkeypatch.syspath_prepend(
        write({"part_targets.py": TARGETS, "part_broken.py": "import nope"})
    )


def test_a_node_is_called_with_its_keys_built():
    half = {"_target_": "part_targets.fraction", "numerator": 1, "denominator": 2}
    sixth = {"_target_": "part_targets.fraction", "numerator": half, "denominator": "${three}"}
    config = OmegaConf.create({"sixth": sixth, "three": 3})
    assert build(config.sixth) == Fraction(1, 6)


def test_mappings_lists_and_scalars_are_built_value_by_value():
    one = {"_target_": "part_targets.fraction", "numerator": 1}
    node = {"things": {"a": one, "b": None}, "list": [one, "x", 2.5]}
    assert build(OmegaConf.create(node)) == {
        "things": {"a": Fraction(1), "b": None},
        "list": [Fraction(1), "x", 2.5],
    }
    assert build(None) is None


def test_a_partial_waits_for_the_rest():
    node = {"_target_": "part_targets.fraction", "_partial_": True, "denominator": 4}
    partial = build(OmegaConf.create(node))
    assert isinstance(partial, functools.partial)
    assert partial(3) == Fraction(3, 4)


def test_context_goes_to_every_target_that_has_the_parameter():
    policy, source = object(), object()
    node = {
        "_target_": "part_targets.Trainer",
        "steps": {"_target_": "part_targets.Trainer", "source": None},
    }
    trainer = build(OmegaConf.create(node), policy=policy, source=source)
    assert trainer.policy is policy
    assert trainer.source is source
    assert trainer.steps.policy is policy
    assert trainer.steps.source is None  # the YAML sets it


def test_context_does_not_enter_through_double_star():
    trainer = build({"_target_": "part_targets.Trainer", "extra": 1}, policy=1, other=2)
    assert trainer.kwargs == {"extra": 1}


def test_an_argument_that_nobody_gave_is_named_before_anything_is_built():
    inner = {"_target_": "part_targets.fail", "text": "built"}
    node = {"outer": {"_target_": "part_targets.Trainer", "steps": inner}}
    with pytest.raises(ConfigError) as caught:
        build(node, source=1, rewards=2)
    assert str(caught.value) == (
        "outer (part_targets.Trainer): nobody gave policy: set it in the YAML "
        "(what is handed on: source, rewards)"
    )


def test_an_error_of_the_target_passes_with_a_note():
    with pytest.raises(KeyError, match="text") as caught:
        build({"a": {"b": {"_target_": "part_targets.fail", "text": "text"}}})
    assert caught.value.__notes__ == ["while building a.b (part_targets.fail)"]


def test_what_k15_refuses_is_the_users_to_change():
    with pytest.raises(ConfigError) as caught:
        build({"a": {"_target_": "k15.sizes.Sizes", "samples_per_problem": 0}})
    assert str(caught.value) == (
        "sizes.samples_per_problem=0: must be at least 1\nwhile building a (k15.sizes.Sizes)"
    )


def test_a_value_error_of_others_keeps_its_traceback():
    with pytest.raises(ValueError, match="Invalid literal") as caught:
        build({"_target_": "part_targets.fraction", "numerator": "no number"})
    assert not isinstance(caught.value, ConfigError)
    assert caught.value.__notes__ == ["while building part_targets.fraction"]


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("part_targets.Trainr", "part_targets has no Trainr; did you mean part_targets.Trainer?"),
        ("missing_xyz.Trainer", "no module missing_xyz"),
    ],
)
def test_a_target_that_is_not_there_is_named(target, message):
    with pytest.raises(ConfigError) as caught:
        build({"_target_": target})
    assert str(caught.value) == message


def test_a_module_that_the_targets_module_lacks_is_no_fault_of_the_config():
    with pytest.raises(ModuleNotFoundError, match="nope") as caught:
        build({"_target_": "part_broken.Trainer"})
    assert caught.value.__notes__ == ["while building part_broken.Trainer"]


def test_a_lightning_trainer_can_be_built():
    node = {"_target_": "lightning.Trainer", "max_epochs": 3, "logger": False, "accelerator": "cpu"}
    trainer = build(OmegaConf.create(node), callbacks=[])
    assert trainer.max_epochs == 3


def test_a_part_is_built_once_and_goes_to_every_parameter_of_its_name(shared):
    parts = Parts(shared)
    module = parts["module"]
    assert module.policy is parts["policy"] is parts.build(shared.model)
    assert (module.seed, module.policy.depth, type(module.policy).made) == (3, 2, 1)
    assert {*parts} == {"policy", "seed", "module"}  # the sandbox is null


def test_a_part_that_nobody_asks_for_is_not_built(shared):
    import part_targets

    shared.module.policy = None  # the YAML sets it
    assert Parts(shared)["module"].policy is None
    assert part_targets.Policy.made == 0


def test_an_interpolation_of_a_node_is_the_object_built_from_it(shared):
    parts = Parts(shared)
    critic = parts.build(shared.critic)
    assert critic["policy"] is parts["policy"]
    assert critic["depth"] == 2


def test_build_alone_hands_on_the_parts_of_its_config(shared):
    assert build(shared.module).policy.depth == 2
    assert build(shared.module, policy="mine").policy == "mine"


def test_what_code_makes_joins_the_parts(shared):
    parts = Parts(shared, policy="mine")
    parts["seed"] = 9
    module = parts["module"]
    assert (module.policy, module.seed) == ("mine", 9)


@pytest.mark.parametrize("name", ["Passes", "Adds"])
def test_a_subclass_that_passes_on_what_it_gets_receives_what_its_parent_takes(shared, name):
    """Its constructor is `*args, **kw`: what they stand for is told by the classes above it."""
    shared.module._target_ = f"part_targets.{name}"
    parts = Parts(shared)
    assert parts["module"].policy is parts["policy"]
    assert (parts["module"].seed, parts["module"].rate) == (3, 0.5)


def test_an_argument_that_a_parent_misses_or_gets_twice_is_a_line(shared):
    shared.module = {"_target_": "part_targets.Passes"}
    with pytest.raises(ConfigError) as caught:
        Parts(shared)["module"]
    assert str(caught.value) == (
        "module (part_targets.Passes): Module.__init__() missing 1 required keyword-only "
        "argument: 'rate'"
    )
    shared.module = {"_target_": "part_targets.Insists", "rate": 1}
    with pytest.raises(ConfigError, match="multiple values for keyword argument 'seed'"):
        Parts(shared)["module"]


def test_a_part_that_is_null_is_asked_for_by_its_address(shared):
    shared.module = {"_target_": "part_targets.Runs"}
    import part_targets

    part_targets.Runs = lambda sandbox, seed: (sandbox, seed)
    with pytest.raises(ConfigError, match=r"set it in the YAML, or give sandbox, which is null"):
        Parts(shared)["module"]
    shared.sandbox = {"_target_": "part_targets.Policy", "depth": 1}
    assert Parts(shared)["module"][1] == 3


def test_a_key_error_in_a_part_is_not_taken_for_its_absence(shared):
    shared.module = {"_target_": "part_targets.fail", "text": "lost"}
    assert Parts(shared).get("sandbox", "none") == "none"
    with pytest.raises(KeyError, match="lost"):
        Parts(shared).get("module")


def test_a_circle_is_told(shared):
    shared.model = {"_target_": "part_targets.Wraps"}
    with pytest.raises(ConfigError, match=r"^module -> model -> module: each needs the next"):
        Parts(shared)["module"]


def test_a_node_is_no_part_of_itself(shared):
    shared.module = {"_target_": "part_targets.Wraps"}
    assert Parts(shared)["module"].module is None


def test_positional_parameters_of_a_partial_are_its_callers(shared):
    """A loss gets `inputs` when it is called, and `policy` too; `seed` is a setting."""
    node = {"_target_": "part_targets.loss", "_partial_": True, "weight": 4}
    shared.loss = node
    assert Parts(shared).build(shared.loss)(1, 2) == (1, 2, 3, 4)
