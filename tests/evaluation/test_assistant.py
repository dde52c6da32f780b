from concurrent.futures import ThreadPoolExecutor
from functools import partial

from k15.engines.protocol import Request, Sampling
from k15.engines.transformers import TransformersEngine
from k15.evaluation.assistant import Assistant
from k15.models.tiny import tiny_policy
from k15.types import Problem
from tests.engines.telling import Telling


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


def test_it_writes_through_one_engine_which_is_closed_with_it(tmp_path):
    tiny_policy(context=256).save(tmp_path / "model")
    make_engine = partial(Telling, file=str(tmp_path / "calls"))
    assistant = Assistant(str(tmp_path / "model"), max_tokens=4, make_engine=make_engine)
    assistant("extract 1")
    assistant("extract 2")
    del assistant
    calls = (tmp_path / "calls").read_text().splitlines()
    assert calls == ["made", "generate None", "generate None", "close"]
