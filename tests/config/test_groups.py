from pathlib import Path

import pytest

from k15.config import ConfigError, load


def test_the_command_line_overrules_every_file(root):
    # data=math chooses model big, experiment short chooses tiny
    config = load("train", ["data=math", "data.path=x", "experiment=short", "model=big"], root)
    assert config.choices.model == "big"


def test_an_experiment_overrules_the_other_groups(root):
    config = load("train", ["data=math", "data.path=x", "experiment=short"], root)
    assert config.choices.model == "tiny"
    assert config.choices.rewards == "judged"


def test_a_dataset_overrules_the_stage_and_the_entry(root):
    config = load("train", ["data=math", "data.path=x"], root)
    assert config.choices.model == "big"  # tiny in the entry
    assert config.choices.rewards == "judged"  # exact in the stage
    assert list(config.rewards) == ["judge"]


def test_a_debug_choice_overrules_an_experiment(root, write):
    write({"debug/one.yaml": "defaults: {model: big}"})
    assert load("train", ["experiment=short", "debug=one"], root).choices.model == "big"


def test_files_that_are_not_chosen_in_the_end_have_no_say(root, write):
    # the entry's stage rl chooses rewards; the experiment replaces the stage
    write({"experiment/short.yaml": "defaults: {stage: sft}"})
    config = load("train", ["experiment=short"], root)
    assert config.choices.stage == "sft"
    assert config.choices.rewards is None


def test_a_default_may_lead_to_a_default(root, write):
    write(
        {
            "experiment/short.yaml": "defaults: {data: math}\ndata: {path: x}",
            "rewards/judged.yaml": "defaults: {model: tiny}",
        }
    )
    config = load("train", ["experiment=short"], root)
    # experiment -> data math -> rewards judged -> model tiny, which overrules math's model big:
    # rewards are mentioned after data
    assert config.choices.rewards == "judged"
    assert config.choices.model == "tiny"


def test_content_is_merged_groups_first_then_stage_experiment_debug(root, write):
    write({"experiment/short.yaml": "trainer: {max_epochs: 3}\nmodel: {depth: 4}"})
    assert load("train", [], root).trainer.max_epochs == 10
    short = load("train", ["experiment=short"], root)
    assert (short.trainer.max_epochs, short.model.depth) == (3, 4)
    assert load("train", ["debug=one", "experiment=short"], root).trainer.max_epochs == 1
    argv = ["trainer.max_epochs=5", "debug=one", "model.depth=6", "experiment=short"]
    both = load("train", argv, root)
    assert (both.trainer.max_epochs, both.model.depth) == (5, 6)


def test_null_leaves_a_group_out(root):
    config = load("train", ["rewards=null"], root)
    assert config.choices.rewards is None
    assert config.rewards is None


def test_a_file_of_the_users_own_is_chosen_by_its_path(root, write, monkeypatch):
    own = write({"own/mine.yaml": "depth: 3"}) / "own"
    assert load("train", [f"model={own}/mine.yaml"], root).model == {"depth": 3}
    monkeypatch.chdir(own)
    config = load("train", ["model=mine.yaml"], root)
    assert config.model.depth == 3
    assert config.choices.model == "mine.yaml"


def test_a_path_in_a_yaml_starts_at_its_folder(root, write):
    own = write({"own/e.yaml": "defaults: {model: m.yaml}", "own/m.yaml": "depth: 9"}) / "own"
    config = load("train", [f"experiment={own}/e.yaml"], root)
    assert config.model.depth == 9
    assert config.choices.model == f"{own}/m.yaml"


def test_unknown_choice_names_the_nearest_and_lists_all(root):
    with pytest.raises(ConfigError) as caught:
        load("train", ["data=mth"], root)
    assert str(caught.value) == (
        "data=mth: no such choice; did you mean math? (choices of data: math, sums)"
    )


def test_unknown_group_names_the_nearest(root, write):
    with pytest.raises(ConfigError, match=r"^modle: no such key; did you mean model\?$"):
        load("train", ["modle=tiny"], root)
    write({"experiment/short.yaml": "defaults: {modle: tiny}"})
    with pytest.raises(ConfigError, match=r"short.yaml: defaults: modle is no group.*model\?"):
        load("train", ["experiment=short"], root)


def test_choices_that_undo_each_other_are_refused(root, write):
    write({"model/tiny.yaml": "defaults: {model: big}"})
    with pytest.raises(ConfigError, match=r"choices of model do not settle.* give model=\.\.\."):
        load("train", [], root)
    assert load("train", ["model=tiny"], root).choices.model == "tiny"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1", r"tiny\.yaml: while parsing"),
        ("a: 1\na: 2", r"tiny\.yaml: .*duplicate key a"),
        ("- 1", r"tiny\.yaml: expected a mapping, got \[1\]"),
        ("defaults: [data]", r"tiny\.yaml: defaults is a mapping"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(root, write, text, message):
    write({"model/tiny.yaml": text})
    with pytest.raises(ConfigError, match=message):
        load("train", [], root)


def test_an_empty_file_is_an_empty_mapping(root, write):
    write({"model/tiny.yaml": "# nothing yet"})
    assert load("train", [], root).model == {}


MANY = {
    "evaluate.yaml": """
        # Measure a model.
        defaults: {benchmark: sums, model: tiny}
        many_groups: [benchmark]
        """,
    "benchmark/sums.yaml": "{path: sums.jsonl, samples: 1}",
    "benchmark/products.yaml": """
        defaults: {model: big, rewards: exact}
        path: products.jsonl
        samples: 1
        """,
}


def test_many_choices_of_a_group_each_go_under_their_name(root, write):
    write(MANY)
    one = load("evaluate", [], root)
    assert one.benchmark == {"sums": {"path": "sums.jsonl", "samples": 1}}
    both = load("evaluate", ["benchmark=[sums,products]", "benchmark.products.samples=4"], root)
    assert [both.benchmark.sums.samples, both.benchmark.products.samples] == [1, 4]
    assert both.choices.benchmark == "sums,products"
    # products chooses the big model; rewards are no group of this entry
    assert both.choices.model == "big" and "rewards" not in both


def test_a_key_of_a_group_of_many_is_for_each_of_them(root, write):
    write(MANY)
    chosen = ["benchmark=[sums,products]", "benchmark.samples=2", "benchmark.sums.samples=3"]
    config = load("evaluate", chosen, root)
    assert [config.benchmark.sums.samples, config.benchmark.products.samples] == [3, 2]


def test_an_unknown_one_of_many_lists_the_choices(root, write):
    write(MANY)
    with pytest.raises(
        ConfigError, match=r"benchmark=sumz: .*choices of benchmark: products, sums"
    ):
        load("evaluate", ["benchmark=[sumz,products]"], root)


def test_an_entry_shows_its_own_groups(root, write, capsys):
    write(MANY)
    with pytest.raises(SystemExit):
        load("evaluate", ["--help"], root)
    shown = capsys.readouterr().out
    assert "* sums" in shown and "stage:" not in shown


def test_a_named_thing_is_one_more_of_many(root, write):
    write({**MANY, "benchmark/sums.yaml": "{_target_: k15.sandbox.protocol.Limits, memory_mib: 1}"})
    config = load("evaluate", ["benchmark.mine={_target_: k15.sandbox.protocol.Limits}"], root)
    assert sorted(config.benchmark) == ["mine", "sums"]
    assert "mine" not in config.benchmark.sums


def test_a_file_extends_the_one_beside_it(tmp_path: Path) -> None:
    """Its own content and choices come on top; a chain of files is followed."""
    files = {
        "train.yaml": "defaults: {stage: a, model: small}\nroot_groups: [stage]\n",
        "model/small.yaml": "size: 1\n",
        "model/large.yaml": "size: 9\n",
        "stage/a.yaml": "steps: {first: 1, second: 2}\n",
        "stage/b.yaml": "extends: a\ndefaults: {model: large}\nsteps: {second: 5}\n",
        "stage/c.yaml": "extends: b\nsteps: {third: 7}\n",
        "stage/d.yaml": "extends: e\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    config = load("train", ["stage=c"], tmp_path)
    assert config.steps == {"first": 1, "second": 5, "third": 7}
    assert config.model.size == 9 and config.choices.stage == "c"
    assert "extends" not in config
    with pytest.raises(ConfigError, match=r"d\.yaml: extends: no file .*e\.yaml"):
        load("train", ["stage=d"], tmp_path)
