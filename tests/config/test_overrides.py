import pytest

from k15.config import ConfigError, load
from k15.config.errors import did_you_mean


def fault(root, *argv):
    with pytest.raises(ConfigError) as caught:
        load("train", argv, root)
    return str(caught.value)


def test_values_are_yaml(root):
    argv = ["model.dropout=1e-3", "model.widths=[1,2]", "model.kind=null", "model.tied=false"]
    model = load("train", argv, root).model
    assert isinstance(model.dropout, float)
    assert model == {
        "depth": 2,
        "dropout": 0.001,
        "tied": False,
        "kind": None,
        "widths": [1, 2],
    }


SCHEDULE = "{levels: {0: [1, 2], 6: [3]}, options: {}}"


def test_a_mapping_given_whole_replaces(root, write):
    write({"data/sums.yaml": SCHEDULE})
    assert load("train", ["data.levels={0: [1]}"], root).data.levels == {0: [1]}
    assert load("train", ["data.levels={}"], root).data.levels == {}
    model = load("train", ["model={depth: 3, kind: image}", "model.depth=4"], root).model
    assert model == {"depth": 4, "kind": "image"}
    whole = ["model={depth: 3}", "model.tied=false"]
    assert fault(root, *whole).startswith("model.tied: no such key")


def test_a_single_key_is_changed_alone(root, write):
    write({"data/sums.yaml": SCHEDULE})
    assert load("train", ["data.levels.6=[4]"], root).data.levels == {0: [1, 2], 6: [4]}
    model = load("train", ["model.depth=3", "model.kind=image"], root).model
    assert (model.depth, model.kind, model.tied, model.dropout) == (3, "image", True, 0.0)


def test_the_last_word_wins(root, write):
    write({"data/sums.yaml": SCHEDULE})
    argv = ["data.levels.6=[4]", "data.levels={0: [1]}"]
    assert load("train", argv, root).data.levels == {0: [1]}


def test_a_target_is_replaced_by_a_target(root):
    argv = ["rewards.exact={_target_: k15.sandbox.protocol.Limits, wall_seconds: 2}"]
    assert "memory_mib" not in load("train", argv, root).rewards.exact
    assert fault(root, "trainer={max_epochs: 3}") == (
        "trainer: a mapping replaces all that is there, so it needs a _target_; to change single "
        "keys of it: trainer.max_epochs=..."
    )


def test_values_may_be_interpolations(root):
    assert load("train", ["model.depth=${seed}", "seed=4"], root).model.depth == 4
    assert fault(root, "seed=${sede}") == "seed: Interpolation key 'sede' not found"


def test_text_that_is_not_yaml_is_refused(root):
    assert fault(root, "model.widths=[1").startswith("model.widths=[1: not a YAML value, quote it")


def test_a_word_without_equals_names_the_nearest(root):
    said = "expected group=choice or key=value"
    assert fault(root, "max_epochs") == f"max_epochs: {said}; did you mean trainer.max_epochs=...?"
    assert fault(root, "--stage", "sft").splitlines() == [
        f"--stage: {said}; did you mean stage=...?",
        f"sft: {said}",
    ]


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("sed=1", "seed"),
        ("depth=1", "model.depth"),
        ("mdl.depth=1", "model.depth"),
        ("modle=tiny", "model"),
        ("rewards.exat.memory_mib=1", "rewards.exact.memory_mib"),
    ],
)
def test_unknown_key_names_the_nearest(root, given, meant):
    key = given.partition("=")[0]
    assert fault(root, given) == f"{key}: no such key; did you mean {meant}?"


def test_nearest_is_nothing_if_no_name_is_like_it():
    assert did_you_mean("zzz", ["seed", "model.depth"]) == did_you_mean("seed", []) == ""
    found = did_you_mean("max_epoch", ["seed", "trainer.max_epochs"])
    assert found == "; did you mean trainer.max_epochs?"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("model.depth=two", "model.depth: expected an integer, got 'two' (a string)"),
        ("model.depth=2.5", "model.depth: expected an integer, got 2.5 (a number)"),
        ("model.depth=true", "model.depth: expected an integer, got True (a boolean)"),
        ("model.tied=1", "model.tied: expected a boolean, got 1 (an integer)"),
        ("model.dropout=low", "model.dropout: expected a number, got 'low' (a string)"),
        ("model.kind=3", "model.kind: expected a string, got 3 (an integer)"),
        ("model.widths=3", "model.widths: expected a list, got 3 (an integer)"),
        ("model.widths.0=3", "model.widths: expected a list, got {'0': 3} (a mapping)"),
        ("data.options=3", "data.options: expected a mapping, got 3 (an integer)"),
        ("seed.x=3", "seed: expected an integer, got {'x': 3} (a mapping)"),
    ],
)
def test_wrong_type_is_refused(root, given, message):
    assert fault(root, given) == message


def test_an_integer_is_a_number_and_a_whole_number_an_integer(root):
    model = load("train", ["model.dropout=1", "model.depth=3.0"], root).model
    assert (model.dropout, model.depth) == (1, 3)
    assert isinstance(model.depth, int)


def test_anything_goes_where_there_is_no_value_yet(root, write):
    write({"model/tiny.yaml": "{a: null, b: '???'}"})
    assert load("train", ["model.a={x: 1}", "model.b=[1]"], root).model == {"a": {"x": 1}, "b": [1]}


def test_a_type_that_the_targets_annotation_names_is_welcome(root):
    # devices: Union[list[int], str, int] = "auto"; max_epochs: Optional[int] = None
    assert load("train", ["trainer.devices=2"], root).trainer.devices == 2
    assert load("train", ["trainer.devices=[0,1]"], root).trainer.devices == [0, 1]
    assert "expected a string" in fault(root, "trainer.devices=true")
    assert "expected an integer" in fault(root, "trainer.max_epochs=x")


def test_a_new_key_is_for_parameters_of_the_target(root):
    config = load("train", ["trainer.accumulate_grad_batches=2"], root)
    assert config.trainer.accumulate_grad_batches == 2
    message = fault(root, "trainer.max_epoch=3")
    assert "did you mean trainer.max_epochs? (it takes accelerator, strategy, " in message


def test_named_things_take_one_more_thing(root):
    argv = ["rewards.mine.memory_mib=3", "rewards.mine._target_=k15.sandbox.protocol.Limits"]
    assert load("train", argv, root).rewards.mine == {
        "_target_": "k15.sandbox.protocol.Limits",
        "memory_mib": 3,
    }
    assert "rewards.mine.memory_mib: no such key" in fault(root, "rewards.mine.memory_mib=3")
    assert "model.mine._target_: no such key" in fault(root, "model.mine._target_=x.y")


def test_a_named_thing_is_left_out():
    argv = ["stage=rl", "callbacks.summary=null", "rewards.length=null"]
    config = load("train", argv)
    assert "summary" not in config.callbacks and "console" in config.callbacks
    assert [*config.rewards] == ["answer", "repetition"]


def test_an_empty_mapping_takes_any_key(root):
    assert load("train", ["data.options.a=1"], root).data.options == {"a": 1}
