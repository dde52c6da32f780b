"""Prompt templates: a question with a request around it, and its pictures in their places."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from k15.config.errors import ConfigError
from k15.questions import parts_of
from k15.types import Problem

QUESTION = "{question}"
PLAIN = {"plain": QUESTION}


def check_templates(templates: Mapping[str, str], setting: str) -> None:
    """Raise ConfigError unless there is one, and each has one place for the question."""
    if not templates:
        raise ConfigError(f'{setting} is empty: give at least one, {{plain: "{QUESTION}"}} say')
    for name, template in templates.items():
        places = template.count(QUESTION) if isinstance(template, str) else 0
        if places != 1:
            raise ConfigError(
                f"{setting}.{name}: it has {places} places for the question; write {QUESTION} once"
            )


def filled(problem: Problem, name: str, template: str) -> Problem:
    """The problem asked with a template around its last message; the id says which one."""
    *before, last = problem.prompt
    start, end = template.split(QUESTION)
    content = last["content"]
    if isinstance(content, str):
        content = f"{start}{content}{end}"
    else:
        around = [[{"type": "text", "text": text}] if text else [] for text in (start, end)]
        content = [*around[0], *parts_of(last), *around[1]]
    prompt = (*before, {**last, "content": content})
    return replace(problem, id=f"{problem.id} ({name})", prompt=prompt)
