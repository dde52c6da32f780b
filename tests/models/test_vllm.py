"""The tiny folders load in vLLM, which finds the same log-probabilities as the trainer."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from k15.models.layouts.bucketed import Bucketed
from k15.models.logps import response_logps
from k15.models.tiny import tiny_policy
from k15.tasks.make24 import Make24
from k15.types import Example
from tests.closeness import close
from tests.vllm_there import needs_vllm

# a process of its own: building an engine changes torch's threads and spawns
SCRIPT = """
import json, os, sys
os.environ.update(
    HF_HUB_OFFLINE="1", VLLM_NO_USAGE_STATS="1", VLLM_LOGGING_LEVEL="ERROR", OMP_NUM_THREADS="1",
    VLLM_CPU_OMP_THREADS_BIND="nobind", TORCHDYNAMO_DISABLE="1", VLLM_ENABLE_V1_MULTIPROCESSING="0",
)
import k15
from k15.models.loading import load_policy
from k15.tasks.make24 import Make24

if __name__ == "__main__":
    from vllm import LLM, SamplingParams, TokensPrompt
    folder, modality = sys.argv[1:]
    policy, task = load_policy(folder), Make24(modality=modality)
    vision = {"limit_mm_per_prompt": {"image": 1, "video": 0}} if modality == "image" else {}
    llm = LLM(
        model=folder, dtype="float32", max_model_len=256, max_num_seqs=8, enforce_eager=True,
        kv_cache_memory_bytes=64 << 20, block_size=32, distributed_executor_backend="uni", **vision,
    )
    prompts = []
    for index in range(3):
        problem = task.problem(index)
        pictures = {"multi_modal_data": {"image": problem.images[0]}} if problem.images else {}
        prompts.append(TokensPrompt(prompt_token_ids=list(policy.encode(problem)), **pictures))
    never = {token: -100.0 for token in policy.placeholder_ids}
    sampling = SamplingParams(
        seed=0, max_tokens=20, logprobs=0, detokenize=False, logit_bias=never or None
    )
    for output in llm.generate(prompts, sampling, use_tqdm=False):
        tokens = list(output.outputs[0].token_ids)
        steps = zip(output.outputs[0].logprobs, tokens)
        print("RESULT", json.dumps([tokens, [step[token].logprob for step, token in steps]]))
"""


@needs_vllm
@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("modality", ["text", "image"])
def test_vllm_agrees_on_log_probabilities(tmp_path: Path, modality) -> None:
    torch.manual_seed(0)
    task = Make24(modality=modality)
    policy = tiny_policy(words=task.words, modality=modality)
    policy.save(tmp_path / "model")
    script = tmp_path / "generate.py"
    script.write_text(SCRIPT)
    result = subprocess.run(
        [sys.executable, str(script), str(tmp_path / "model"), modality],
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    lines = [line for line in result.stdout.splitlines() if line.startswith("RESULT")]
    assert len(lines) == 3, result.stderr[-3000:]
    for index, line in enumerate(lines):
        tokens, theirs = json.loads(line.removeprefix("RESULT"))
        problem = task.problem(index)
        example = Example(
            prompt_tokens=policy.encode(problem),
            response_tokens=tuple(tokens),
            images=problem.images,
        )
        ours = response_logps(policy, Bucketed().collate(policy, [example]))[0].detach()
        close(ours, theirs, 1e-4)  # other kernels in every layer
