"""Cooldown mixes curated documents with right answers of the model's own."""

from pathlib import Path

from k15.datamodules.cooldown import CooldownData
from k15.datamodules.rejection import RightData
from k15.datamodules.stream import Phase
from k15.problems.documents.source import Corpus
from k15.problems.documents.worked import WorkedProblems
from k15.rewards.task import TaskReward
from tests.datamodules.test_sampled import DRAWING, SOURCE, TASK, policy, scripted


def cooled(folder: Path) -> CooldownData:
    """Three problems with two right answers each; half of 20 steps' tokens may be theirs."""
    model = policy()
    answers = RightData(
        policy=model,
        source=SOURCE,
        engine=scripted(model),
        rewards={"answer": TaskReward(TASK)},
        samples=str(folder / "samples"),
        run_dir=str(folder / "run"),
        drawing=DRAWING,
        held_out_problems=0,
    )
    phase = Phase(tokens=640, sequence_tokens=64, weights={"synthetic": 0.5, "problems": 0.5})
    made = CooldownData(
        policy=model,
        corpus=Corpus({"problems": WorkedProblems(TASK)}),
        synthetic=answers,
        phases={"cooldown": phase},
        tokens_per_batch=128,
        turns=2,
        held_out_documents=3,
    )
    made.prepare_data()
    made.setup("fit")
    return made


def test_what_the_graders_found_right_is_learned_as_often_as_there_are_turns(
    tmp_path: Path,
) -> None:
    made = cooled(tmp_path)
    names = [name for batch in made.batches() for pack in batch for name in pack.names]
    own = [name for name in names if name.startswith("synthetic/")]
    assert {name.partition("/")[2] for name in own} <= {problem.id for problem in SOURCE.train}
    assert 0 < len(own) <= 2 * 2 * 3 and len(own) < len(names)
    texts = [text for _, text in made.answers.pairs]
    assert len(texts) == 6 and all("\\boxed{" in text for text in texts)
    assert list(made.held_out) == ["problems", "synthetic"] and not made.held_out["synthetic"]


def test_they_are_drawn_once(tmp_path: Path) -> None:
    cooled(tmp_path)
    file = next(tmp_path.glob("samples/*/samples.jsonl"))
    before = file.read_text()
    cooled(tmp_path)
    assert file.read_text() == before
