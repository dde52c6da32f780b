from concurrent.futures import ThreadPoolExecutor

from k15.engines.protocol import Request, Sampling
from k15.engines.transformers import TransformersEngine
from k15.evaluation.assistant import Assistant
from k15.models.tiny import tiny_policy
from k15.types import Problem


def test_it_says_what_the_model_says_from_any_thread(tmp_path):
    policy = tiny_policy(context=256)
    policy.save(tmp_path)
    prompts = [f"extract {number}" for number in range(4)]
    requests = [
        Request(
            tokens=policy.encode(
                Problem(id="", prompt=({"role": "user", "content": prompt},), answer=None)
            ),
            max_new_tokens=8,
        )
        for prompt in prompts
    ]
    completions = TransformersEngine(policy).generate(requests, Sampling(temperature=0))
    said = {one.index: policy.decode(one.tokens) for one in completions}
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(Assistant(str(tmp_path), max_tokens=8), prompts))
    assert answers == [said[index] for index in range(4)]
