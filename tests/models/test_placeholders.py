"""Pictures in a prompt: what stands in their place, and their features together."""

import torch

from k15.models.placeholders import joined
from k15.models.policy import Policy
from tests.models.seeing_classes import model_and_processor, pictures


def test_pictures_of_several_sizes_are_padded_behind() -> None:
    wide, high = torch.ones(1, 3, 2, 4), torch.ones(1, 3, 3, 1)
    together = joined([{"pixel_values": wide}, {}, {"pixel_values": high}])["pixel_values"]
    assert together.shape == (2, 3, 3, 4)
    assert together.sum() == 3 * 2 * 4 + 3 * 3 * 1
    assert together[0, 0, 2].tolist() == [0] * 4 and together[1, 0, :, 0].tolist() == [1] * 3
    assert joined([]) == joined([{}]) == {}


def test_rows_of_a_pixtral_picture_end_in_tokens_of_their_own() -> None:
    policy = Policy(*model_and_processor("llava with pixtral"))
    one, broken, end = policy.tokenizer.convert_tokens_to_ids(["[IMG]", "[IMG_BREAK]", "[IMG_END]"])
    wide = pictures()[1]  # 28 x 56 pixels: 4 rows of 8 patches
    row = [one] * 8
    expected = [40, *row, broken, *row, broken, *row, broken, *row, end, 41]
    expanded = policy.expand((40, one, 41), (wide,))
    assert list(expanded.tokens) == expected
    assert expanded.positions.tolist() == list(range(len(expected)))
