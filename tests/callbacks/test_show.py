"""What is printed is what the model is given."""

import pytest
from lightning.pytorch import Trainer

from k15.callbacks.show import Show, marked
from k15.datamodules.demonstrations import DemonstrationData
from k15.models.tiny import tiny_policy
from k15.modules.language import LanguageModule
from k15.problems.sources import TaskSource
from k15.tasks.make24 import Make24


def test_tokens_in_the_loss_are_marked_run_by_run() -> None:
    policy = tiny_policy(context=64)
    tokens = policy.tokenizer("ab¥cd<eos>")["input_ids"]
    mask = (False, False, True, True, False, True, True)  # ¥ is two bytes
    assert marked(policy, tokens, mask) == "ab⟦¥⟧c⟦d<eos>⟧"
    assert marked(policy, tokens[:2], (False, False)) == "ab"


def test_the_first_batch_is_printed_and_nothing_is_trained(capsys) -> None:
    source = TaskSource(Make24(levels=[1]), held_out_problems=5)
    policy = tiny_policy(words=source.words, hidden_size=32, layers=1)
    data = DemonstrationData(
        policy=policy, source=source, tokens=300, tokens_per_batch=100, held_out_examples=2
    )
    before = policy.model.get_input_embeddings().weight.clone()
    trainer = Trainer(
        accelerator="cpu", logger=False, enable_checkpointing=False, max_epochs=1,
        enable_progress_bar=False, enable_model_summary=False,
        callbacks=[Show(policy, data, batches=1, sequences=1)],
    )  # fmt: skip
    with pytest.raises(SystemExit) as ended:
        trainer.fit(LanguageModule(policy, learning_rate=1e-2), data)
    assert ended.value.code == 0
    assert (policy.model.get_input_embeddings().weight == before).all()
    lines = capsys.readouterr().out.splitlines()
    [*batches] = data.train_dataloader()
    assert f"batch 1 of {len(batches)}: {len(batches[0])} sequences" in lines
    example = batches[0][0]
    place = lines.index(
        f"batch 1, sequence 1: {example.length} tokens, {len(example.response_tokens)} in the "
        "loss, 0 pictures"
    )
    prompt, response = (
        policy.tokenizer.decode(part) for part in (example.prompt_tokens, example.response_tokens)
    )
    assert lines[place + 1] == f"{prompt}⟦{response}⟧"
    assert len([line for line in lines if line.startswith("batch")]) == 2


def test_of_problems_the_prompts_are_printed() -> None:
    source = TaskSource(Make24(levels=[1], modality="image"), held_out_problems=5)
    policy = tiny_policy(words=source.words, modality="image", hidden_size=32, layers=1)
    first, prompt, *others = Show(policy, source, problems=2).lines()
    problem = source.train[0]
    length = policy.length(policy.encode(problem), problem.images)
    assert first.startswith(
        f"problem {problem.id}, one of {len(source.train)}: {length} tokens, 1 "
    )
    assert prompt == policy.tokenizer.decode(policy.encode(problem)) and len(others) == 2


def test_nothing_to_show_is_refused() -> None:
    source = TaskSource(Make24(levels=[1]), held_out_problems=5)
    with pytest.raises(ValueError, match=r"callbacks\.show\.batches=0: must be at least 1"):
        Show(tiny_policy(context=64), source, batches=0)
