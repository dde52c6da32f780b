"""Every file in configs/ composes, and train.py builds from it what it names."""

import ast
import functools
import importlib.util
import json
import pydoc
import re
import subprocess
import sys
from contextlib import closing
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from lightning.pytorch import LightningDataModule, LightningModule, Trainer
from omegaconf import DictConfig, OmegaConf
from PIL import Image

from k15.config import ROOT, load
from k15.config.groups import Tree
from k15.models.tiny import tiny_policy
from tests import vllm_there

REPOSITORY = ROOT.parent
FILES = sorted(ROOT.glob("*/*.yaml"))
OURS = Tree(ROOT, "train").groups  # the others are evaluate.py's
NAMES = [f"{file.parent.name}={file.stem}" for file in FILES if file.parent.name in OURS]
TRAINS_NOTHING = "stage=long2short_merge"  # tests/runs/test_merging.py
WANTS_PICTURES = {
    *("stage=align", "stage=vision", "stage=joint"),
    *(
        f"stage={name}"
        for name in ("pretrain_vision", "pretrain_joint", "cooldown", "long_context")
    ),
}
EYES = {"eyes_vision": "pretrain_vision", "eyes_joint": "pretrain_joint", "eyes": "sft"}
"""Experiments of other stages than RL."""
ON_A_CPU = ["trainer.accelerator=cpu", "trainer.precision=32-true"]
TEXTS = [*ROOT.rglob("*.yaml"), REPOSITORY / "README.md", *(REPOSITORY / "docs").glob("*.md")]
COMMANDS = sorted(
    {
        command.strip()
        for text in TEXTS
        for command in re.findall(r"python train\.py((?: [\w.]+=[^\s`]+)+)", text.read_text())
        if "my_" not in command and "<" not in command  # test_extend.py; something to fill in
    }
)


@pytest.fixture(scope="session")
def train() -> ModuleType:
    spec = importlib.util.spec_from_file_location("train", REPOSITORY / "train.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def needed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What some choices cannot do without."""
    folder = tmp_path_factory.mktemp("needed")
    tiny_policy(hidden_size=32, layers=1).save(folder / "model")
    rows = [{"problem": f"What is {i}+{i}?", "answer": 2 * i, "level": 1} for i in range(50)]
    (folder / "sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    judged = [
        {"question": f"{i}+{i}?", "reference_answer": 2 * i, "response": "A: 4", "correct": i == 2}
        for i in range(9)
    ]
    Image.new("RGB", (28, 28), "red").save(folder / "red.png")
    seen = [{"question": f"{i}?", "options": [], "answer": i, "image": "red.png"} for i in range(9)]
    (folder / "seen.jsonl").write_text("".join(json.dumps(row) + "\n" for row in seen))
    traced = [{**row, "response": f"\\boxed{{{row['answer']}}}"} for row in rows]
    (folder / "traced.jsonl").write_text("".join(json.dumps(row) + "\n" for row in traced))
    (folder / "judged.jsonl").write_text("".join(json.dumps(row) + "\n" for row in judged))
    recipe = [f"model.path={folder}/model", f"data.path={folder}/sums.jsonl", *ON_A_CPU]
    recipe += [
        "trainer.devices=1",
        "engine={_target_: k15.engines.transformers.TransformersEngine}",
    ]
    return {
        **{name: recipe for name in NAMES if "=qwen2_5_7b" in name},
        **{name: [*recipe, "data.fields.images=null"] for name in NAMES if "=qwen2_5_vl" in name},
        **{
            name: [f"model.path={folder}/model"]
            for name in NAMES
            if name.startswith("model=") and "tiny" not in name
        },
        "experiment=smollm2": [f"model.path={folder}/model"],
        **{
            f"experiment={name}": [f"stage={stage}", f"model.path={folder}/model"]
            for name, stage in EYES.items()
        },
        "data=math": [f"data.path={folder}/sums.jsonl"],
        "data=chat": [f"data.path={folder}/sums.jsonl"],
        "data=judgements": [f"data.path={folder}/judged.jsonl", "data.held_out_problems=4"],
        "data=traces": [f"data.path={folder}/traced.jsonl"],
        "traces=teacher": [f"traces.path={folder}/model"],
        "data=mathvision": [f"data.path={folder}/seen.jsonl", "task.modality=image"],
        "trainer=gpu": ON_A_CPU,
        **{f"trainer={name}": ON_A_CPU for name in ("ddp", "fsdp2")},
        "trainer=h200x8": [*ON_A_CPU, "trainer.devices=1"],
        "trainer=h200x8_nodes": [*ON_A_CPU, "trainer.devices=1", "trainer.num_nodes=1"],
        **{stage: ["task.modality=image"] for stage in WANTS_PICTURES},
    }


def parts(trainer: Trainer, module: LightningModule, datamodule: LightningDataModule) -> dict:
    """What was built, by the dotted key that names its class."""
    built = {"trainer": trainer, "logger": trainer.logger}
    built |= {"module": module, "datamodule": datamodule}
    if hasattr(datamodule, "corpus"):
        rewards = datamodule.answers.scorer.rewards if hasattr(datamodule, "answers") else {}
        built |= {f"rewards.{name}": reward for name, reward in rewards.items()}
        return built | {"corpus": datamodule.corpus}
    built["data"] = datamodule.source
    if hasattr(datamodule.source, "task"):
        built["task"] = datamodule.source.task
    if hasattr(datamodule, "collector"):
        built |= {"sizes": module.sizes, "datamodule.plan": datamodule.collector.plan}
        built |= {"sampler": datamodule.sampler, "engine": datamodule.collector.engine.engine}
        built |= {"objective.loss": module.loss, "objective.advantage": module.advantage}
    if hasattr(datamodule, "scorer"):
        built |= {f"rewards.{name}": r for name, r in datamodule.scorer.rewards.items()}
    return built


def check(part: Any, node: DictConfig, key: str) -> None:
    """Whether a part is of the class, or a partial of the function, that the config names."""
    named = pydoc.locate(node._target_)
    if isinstance(part, functools.partial):
        settings = {name: value for name, value in node.items() if name[0] != "_"}
        inner = {name for name, value in settings.items() if isinstance(value, DictConfig)}
        for name in inner:
            check(part.keywords[name], settings[name], f"{key}.{name}")
        given = {name: value for name, value in part.keywords.items() if name not in inner}
        assert (part.func, part.keywords.keys()) == (named, settings.keys()), key
        assert given == {name: settings[name] for name in given}, key
    else:
        assert type(part) is named, key


@pytest.mark.parametrize("name", [name for name in NAMES if name != TRAINS_NOTHING])
def test_every_choice_composes_and_builds_what_it_names(
    name: str, train: ModuleType, needed: dict[str, list[str]], tmp_path: Path
) -> None:
    if name.startswith("engine=vllm") and not vllm_there.THERE:
        pytest.skip(vllm_there.REASON)
    stage = [] if name.startswith("stage=") else ["stage=rl"]
    config = load("train", [*stage, name, *needed.get(name, []), f"run_dir={tmp_path}/run"])
    group, _, choice = name.partition("=")
    assert config.choices[group] == choice
    trainer, module, datamodule, engine = train.assemble(config)
    with closing(engine):
        built = parts(trainer, module, datamodule)
        for key, part in built.items():
            check(part, OmegaConf.select(config, key), key)
    assert {f"rewards.{part}" for part in config.rewards or ()} <= built.keys()
    callbacks = {pydoc.locate(callback._target_) for callback in config.callbacks.values()}
    assert callbacks <= {type(callback) for callback in trainer.callbacks}
    assert trainer.max_epochs == config.trainer.max_epochs
    assert module.model is module.policy.model


@pytest.mark.parametrize("task", ["make24", "chain"])
@pytest.mark.parametrize(
    "stage", ["pretrain_text", "pretrain_vision", "pretrain_joint", "long_context"]
)
def test_the_documents_of_every_phase_fit_into_its_sequences(
    stage: str, task: str, train: ModuleType, tmp_path: Path
) -> None:
    """And shares are to be met: what a phase names is read."""
    words = [f"stage={stage}", f"task={task}", "corpus=procedural", f"run_dir={tmp_path}/run"]
    modality = "text" if stage == "pretrain_text" else "image"
    config = load("train", [*words, f"task.modality={modality}"])
    *_, data, engine = train.assemble(config)
    engine.close()
    for phase in data.phases.values():
        packs = [*islice(data.stream.packs(phase), 12)]
        assert all(0 < sum(pack.lengths) <= phase.sequence_tokens for pack in packs)
    assert not data.stream.counts.refused
    named = {name for phase in data.phases.values() for name in phase.weights}
    assert named == data.stream.counts.documents.keys()


def test_a_gpu_computes_in_bfloat16_and_keeps_float32_weights() -> None:
    config = load("train", ["stage=rl", "trainer=gpu", "model=hf", "model.path=x/y"])
    assert (config.trainer.accelerator, config.trainer.precision) == ("gpu", "bf16-mixed")
    assert config.model.dtype == "float32"


REAL = ["model=hf", "model.path=x/y", "start_from=null"]


@pytest.mark.parametrize(("stage", "rate"), [("rl", 1e-6), ("sft", 1e-5), ("pretrain", 1e-5)])
def test_a_real_model_learns_at_rates_of_its_own(stage: str, rate: float) -> None:
    """And an adapter at ten times as much; the built-in model's are for random weights."""
    config = load("train", [f"stage={stage}", *REAL])
    assert config.module.learning_rate == {"weights": rate, "adapter": pytest.approx(10 * rate)}
    assert config.module.get("warmup_steps", 0) > 0 or config.module.warmup > 0
    assert config.choices.learning_rates == "hf"


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("lora", [[], ["model.lora.rank=32"]])
def test_the_command_line_has_the_last_word_on_a_rate(order: int, lora: list[str]) -> None:
    words = ["stage=rl", *REAL, *lora, "learning_rates.rl=2e-6"][::order]
    assert load("train", words).module.learning_rate == 2e-6


def test_problems_with_answers_ask_for_a_box_and_leave_room_to_reason() -> None:
    config = load("train", ["stage=rl", *REAL, "data=math", "data.path=x.jsonl"])
    assert config.data.instruction.endswith("your final answer within \\boxed{}.")
    assert config.datamodule.plan.max_response_tokens == 1024
    own = ["data.instruction=Box it.", "data.max_response_tokens=40"]
    config = load("train", ["stage=rl", *REAL, "data=math", "data.path=x.jsonl", *own])
    assert config.data.instruction == "Box it."
    assert config.datamodule.plan.max_response_tokens == 40


@pytest.mark.parametrize("stage", ["rl", "sft", "cot_reward_model"])
def test_one_number_says_how_many_logits_exist_at_once(
    stage: str, train: ModuleType, tmp_path: Path
) -> None:
    for argument, tokens in ((), 512), (("tokens_per_chunk=64",), 64):
        config = load("train", [f"stage={stage}", f"run_dir={tmp_path}", *argument])
        assert train.assemble(config)[1].tokens_per_chunk == tokens


@pytest.mark.parametrize("file", [*FILES, ROOT / "train.yaml"], ids=lambda file: file.stem)
def test_every_file_begins_by_saying_what_it_is(file: Path) -> None:
    first = file.read_text().splitlines()[0]
    assert re.match(r"# \w", first) and not first.startswith("# python"), first
    assert len(first.split()) > 3, first


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_that_a_comment_or_a_page_shows_composes(command: str) -> None:
    words = command.split()
    config = load("train", words)
    for word in words:
        key, _, value = word.partition("=")
        shown = config.choices.get(key, OmegaConf.select(config, key))
        assert shown == yaml.safe_load(value), word


def texts_of(file: Path) -> list[str]:
    """A page as it is; of source the string literals, parts of f-strings included."""
    if file.suffix != ".py":
        return [file.read_text()]
    nodes = ast.walk(ast.parse(file.read_text()))
    return [n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str)]


def test_every_choice_that_a_message_or_a_page_recommends_is_there() -> None:
    """`engine=vllm`, say, in an error that promises a way out."""
    groups = {path.name for path in ROOT.iterdir() if path.is_dir()}
    said = re.compile(rf"(?<![\w.])({'|'.join(groups)})=\[?([a-z]\w*(?:,\w+)*)(?![\w./(])")
    files = [*(REPOSITORY / "k15").rglob("*.py"), *TEXTS, *REPOSITORY.glob("*.py")]
    missing = {
        f"{file.relative_to(REPOSITORY)}: {group}={choice}"
        for file in files
        for text in texts_of(file)
        for group, choices in said.findall(text)
        for choice in choices.split(",")
        if choice != "null" and not (ROOT / group / f"{choice}.yaml").is_file()
    }
    assert missing == set()


def without_torch(*arguments: str) -> str:
    """What train.py prints, as long as it has not imported what takes seconds to import."""
    code = (
        "import atexit, runpy, sys\n"
        "heavy = {'torch', 'transformers', 'lightning'}\n"
        "atexit.register(lambda: print(*heavy & sys.modules.keys(), file=sys.stderr))\n"
        f"runpy.run_path({str(REPOSITORY / 'train.py')!r}, run_name='__main__')"
    )
    words = [sys.executable, "-c", code, *arguments]
    result = subprocess.run(words, capture_output=True, text=True, timeout=100, check=True)
    assert result.stderr.split() == []
    return result.stdout


def test_help_lists_every_choice_under_its_group() -> None:
    listed, group = set(), ""
    for line in without_torch("--help").splitlines():
        if heading := re.fullmatch(r"(\w+):", line):
            group = heading[1]
        elif choice := re.match(r"  [ *] (\w+) ", line):
            listed.add(f"{group}={choice[1]}")
    assert listed == set(NAMES)


def test_cfg_prints_yaml_that_says_what_load_says() -> None:
    words = ["stage=rl", "experiment=length_penalty", "learning_rates.rl=1e-5"]
    printed = yaml.safe_load(without_torch(*words, "--cfg"))
    assert printed == OmegaConf.to_container(load("train", words), resolve=False)
    assert printed["rewards"]["length"]["weight"] == 0.3
    assert OmegaConf.create(printed).module.learning_rate == 1e-5
