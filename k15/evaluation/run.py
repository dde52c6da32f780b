"""What `evaluate.py` does: build the parts, run the evaluator, write the results."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf

from k15.config import ConfigError, Parts, decisions, public
from k15.evaluation.compare import write_comparison
from k15.evaluation.evaluator import Evaluator
from k15.evaluation.folder import GIVEN, given_responses, newest_model, opened
from k15.evaluation.problems_file import read_problems, write_problems
from k15.evaluation.prompting.base import Once
from k15.evaluation.report import write_report
from k15.evaluation.results import Results, results, ungraded_responses, write_results
from k15.evaluation.table import comparison_table, found_lines, groups_table, scores_table
from k15.folders import unused_folder
from k15.journal import Journal
from k15.progress import quiet

GROUPS_SHOWN = 2


def evaluate(config: DictConfig) -> str:
    """Generate and grade what is missing in the run's folder; returns the table of scores.

    Raises ConfigError for a folder that holds another run, ValueError for parts that cannot work.
    """
    quiet()
    torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)  # fresh weights are the same on all ranks
    parts = Parts(config)
    fabric = parts.build(config.fabric)
    fabric.launch()
    if config.run_dir is None:
        config.run_dir = str(unused_folder(Path(config.outputs, "evaluate")))
    config.run_dir = fabric.broadcast(config.run_dir)
    if config.responses is None and config.choices.model == "trained":
        config.model.path = config.model.path or newest_model(config.outputs)
    limit_benchmarks(config)
    with opened(config) if fabric.is_global_zero else nullcontext(Path(config.run_dir)) as folder:
        fabric.barrier()  # the folder is there, and it is ours
        evaluator = evaluator_of(parts, folder, fabric.global_rank, fabric.world_size)
        if config.responses is None:
            told = [f"model: {model_name(config)}", f"run_dir: {folder}", *decisions(config)]
            fabric.print(*told, sep="\n", flush=True)
            parts["policy"].model.to(fabric.device)
            with closing(parts["engine"]) as engine:
                evaluator.run(engine, parts["policy"])
        else:
            take_responses(config, evaluator, write=fabric.is_global_zero)
            fabric.barrier()
            evaluator.run(None, None)
        fabric.barrier()
        return finished(config, evaluator) if fabric.is_global_zero else ""


def limit_benchmarks(config: DictConfig) -> None:
    """Give `config.limit` to each benchmark without a limit of its own."""
    for benchmark in config.benchmark.values():
        if config.limit is not None and benchmark.get("limit") is None:
            OmegaConf.update(benchmark, "limit", config.limit, force_add=True)


def evaluator_of(parts: Parts, folder: Path, rank: int, ranks: int) -> Evaluator:
    """The evaluator of the configured benchmarks and promptings."""
    config, given = parts.config, parts.config.responses is not None
    return Evaluator(
        benchmarks=parts.build(config.benchmark),
        promptings={GIVEN: as_given()} if given else parts.build(config.prompting),
        run_dir=folder,
        seed=config.sampling_seed,
        threads=config.grading_threads,
        max_ungraded=config.max_ungraded,
        rank=rank,
        ranks=ranks,
    )


def as_given() -> Once:
    """Stands for whatever brought forth responses made elsewhere."""
    return Once(name=GIVEN, instruction="")


def take_responses(config: DictConfig, evaluator: Evaluator, *, write: bool) -> None:
    """Put the responses of `config.responses` where the evaluator finds them: one rank writes.

    Raises ConfigError unless they are of one benchmark.
    """
    if len(evaluator.benchmarks) != 1:
        raise ConfigError(
            f"responses={config.responses}: of which benchmark are they? "
            f"Choose one; there are {', '.join(evaluator.benchmarks)}"
        )
    ((name, benchmark),) = evaluator.benchmarks.items()
    benchmark.limit = None
    lines = given_responses(config.responses, name, set(evaluator.problems[name]))
    benchmark.samples = max(line.index for line in lines) + 1
    asked = {line.id for line in lines}
    missing = [problem for problem in evaluator.problems[name] if problem not in asked]
    if write and missing:
        print(
            f"{len(missing)} of {len(missing) + len(asked)} problems of {name} have no response, "
            f"such as {missing[0]}: scores are over the other {len(asked)}",
            flush=True,
        )
    path = evaluator.run_dir / "responses.jsonl"
    if write and not path.exists():
        journal = Journal(path)
        for line in lines:
            journal.append(line)
        journal.close()


def finished(config: DictConfig, evaluator: Evaluator) -> str:
    """Write results and report from what all ranks wrote; the table of scores."""
    folder = evaluator.run_dir
    for name, benchmark in evaluator.benchmarks.items():
        write_problems(folder, name, benchmark, list(evaluator.problems[name].values()))
    found = results(
        evaluator.samples(),
        read_problems(folder),
        evaluator.benchmarks,
        model=model_name(config) if config.responses is None else str(config.responses),
        settings=settings(config),
        ungraded=ungraded_responses(folder),
    )
    write_results(folder, found)
    by_group = groups_table(main_groups(found, evaluator))
    lines = [scores_table(found), by_group, found_lines(found), f"results: {folder}/results.json"]
    if config.report:
        lines.append(f"report: {write_report(folder)}")
    return "\n".join(line for line in lines if line)


def model_name(config: DictConfig) -> str:
    """For the reader: where the weights come from."""
    return str(config.model.path or f"{config.choices.model}, random weights")


def main_groups(found: Results, evaluator: Evaluator) -> Results:
    """The results with each benchmark's first groups alone: what a terminal has room for."""
    scores = [
        {**score, "groups": {key: score["groups"][key] for key in keys if key in score["groups"]}}
        for score in found["scores"]
        for keys in [evaluator.benchmarks[score["benchmark"]].groups[:GROUPS_SHOWN]]
    ]
    return {**found, "scores": scores}


def settings(config: DictConfig) -> Mapping[str, Any]:
    """What tells this run from others."""
    plain = public(config, resolve=True)
    return {
        key: plain[key] for key in ("seed", "sampling_seed", "benchmark", "prompting", "engine")
    }


def compare(config: DictConfig) -> str:
    """Two or more finished runs side by side, with significance; writes a page beside it."""
    folders = [Path(folder) for folder in config.compare]
    if len(folders) < 2:
        raise ConfigError(f"compare={list(config.compare)}: give two folders or more")
    folder = unused_folder(Path(config.outputs, "compare"))
    found = write_comparison(folders, folder)
    return f"{comparison_table(found)}\nreport: {folder}"
