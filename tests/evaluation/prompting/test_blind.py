from PIL import Image

from k15.evaluation.prompting.base import Once
from k15.evaluation.prompting.blind import Blind
from k15.types import Problem
from tests.evaluation.sums import Sums


def test_the_same_is_asked_of_white_pictures_of_the_same_size():
    content = [{"type": "image"}, {"type": "text", "text": "How many?"}]
    picture = Image.new("RGB", (28, 14), "black")
    prompt = ({"role": "user", "content": content},)
    problem = Problem(id="1", prompt=prompt, answer="2", images=(picture,))
    (seen,), (unseen,) = (
        mode(name="plain", instruction="Think.").solve(problem, Sums()).send(None)
        for mode in (Once, Blind)
    )
    assert unseen.problem.prompt == seen.problem.prompt
    (white,) = unseen.problem.images
    assert white.size == picture.size and white.getextrema() == ((255, 255),) * 3
