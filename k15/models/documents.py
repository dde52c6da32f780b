"""Documents as training sequences: every token of text is in the loss but the first.

    [bos] text ■■■■■■ picture ▒▒▒ text ■■■■ eos ■        ■ in the loss, ▒ not

A document longer than a sequence is cut into pieces, which begin with what follows: text is cut
anywhere, a picture never. No piece begins with a patch: a language model has its attention sink in
the first place (Xiao et al., 2309.17453) and hardly reads what stands there, so where nothing else
does a begin token is put in front of the picture.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from k15.config.errors import ConfigError
from k15.models.policy import Policy
from k15.types import Document, Example

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True, slots=True)
class Unit:
    """What is not cut: a token of text, or a picture with the tokens that a template writes
    around it.
    """

    tokens: tuple[int, ...]
    length: int
    """As the model sees it."""
    image: Image | None = None


class Documents:
    """Encodes documents for one policy, in pieces of at most `longest` tokens."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        tokenizer = policy.tokenizer
        bos, default = tokenizer.bos_token_id, tokenizer("")["input_ids"]
        self.begin = (bos,) if bos is not None and bos in default else ()
        """What the tokenizer writes in front of a text."""
        end = tokenizer.eos_token_id
        self.end = policy.stop_ids[0] if end is None else end
        self.front = Unit((self.end if bos is None else bos,), 1)
        """In front of a picture that nothing stands before."""

    def examples(self, document: Document, longest: int) -> list[Example]:
        """Its pieces; one, of most documents.

        Raises ConfigError naming the document if it holds nothing to learn, what stands for a
        picture as text, or a picture that is longer than a sequence or cannot be read.
        """
        if not document.text.strip():
            raise self._refused(document, "it is empty: no text that could be learned")
        if document.images and self._bare():
            longest -= self.front.length
        units = [Unit((token,), 1) for token in self.begin]
        units += self._units(document)
        units.append(Unit((self.end,), 1))
        widest = max(units, key=lambda unit: unit.length)
        if widest.length >= longest:
            raise self._refused(
                document,
                f"a picture of {widest.length} tokens does not fit into a sequence of {longest}; "
                "scale it down, or make sequences longer",
            )
        found = [example_of(self._begun(piece)) for piece in pieces(units, longest)]
        if not all(any(example.loss_mask) for example in found):
            raise self._refused(
                document,
                f"pictures in a row do not fit into a sequence of {longest} tokens with any text "
                "behind them; scale them down, or make sequences longer",
            )
        return found

    def _units(self, document: Document) -> Iterator[Unit]:
        pictures = iter(document.images)
        for part in document.parts:
            if part is not None:
                yield from (Unit((token,), 1) for token in self._text(document, part))
                continue
            image, tokens = next(pictures), self.policy.picture_tokens
            yield Unit(tokens, self.policy.length(tokens, [image]), image)

    def _bare(self) -> bool:
        """Whether a picture is its patches alone, as LLaVA's, and no token marks its beginning."""
        return self.policy.picture_tokens[0] in self.policy.placeholder_ids

    def _begun(self, piece: Sequence[Unit]) -> Sequence[Unit]:
        return [self.front, *piece] if piece[0].image is not None and self._bare() else piece

    def _text(self, document: Document, text: str) -> Sequence[int]:
        tokens = self.policy.tokenizer(text, add_special_tokens=False)["input_ids"]
        if places := set(tokens) & set(self.policy.placeholder_ids):
            name = self.policy.tokenizer.decode(sorted(places))
            raise self._refused(document, f"its text holds {name!r}, which stands for pictures")
        return tokens

    def _refused(self, document: Document, reason: str) -> ConfigError:
        return ConfigError(f"document {document.id}: {reason}")


def pieces(units: Sequence[Unit], longest: int) -> Iterator[list[Unit]]:
    """Runs of units of at most `longest` tokens; a picture that would be the last one of a run
    begins the next.
    """
    piece: list[Unit] = []
    length = 0
    for unit in units:
        if length + unit.length > longest:
            rest: list[Unit] = []
            while len(piece) > 1 and piece[-1].image is not None:
                rest.insert(0, piece.pop())
            if sum(u.length for u in rest) + unit.length > longest:  # pictures alone teach nothing
                piece, rest = [*piece, *rest], []
            yield piece
            piece, length = rest, sum(u.length for u in rest)
        piece.append(unit)
        length += unit.length
    yield piece


def example_of(units: Sequence[Unit]) -> Example:
    """The first unit is the prompt; of the others text is learned."""
    first, *others = units
    return Example(
        prompt_tokens=first.tokens,
        response_tokens=tuple(token for unit in others for token in unit.tokens),
        loss_mask=tuple(unit.image is None for unit in others for _ in unit.tokens),
        images=tuple(unit.image for unit in units if unit.image is not None),
    )


def joined(examples: Sequence[Example]) -> Example:
    """Several as one, so that each attends to those before it; what was learned is learned."""
    first, *others = examples
    tokens, mask = [*first.response_tokens], [*_mask(first)]
    for example in others:
        tokens += [*example.prompt_tokens, *example.response_tokens]
        mask += [*(False for _ in example.prompt_tokens), *_mask(example)]
    images = tuple(image for example in examples for image in example.images)
    return Example(
        prompt_tokens=first.prompt_tokens,
        response_tokens=tuple(tokens),
        loss_mask=tuple(mask),
        images=images,
    )


def _mask(example: Example) -> Sequence[bool]:
    return example.loss_mask or (True,) * len(example.response_tokens)
