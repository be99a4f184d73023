"""The world behind the sample data set: its classes, how frequent they are, and how each one speaks and looks."""

from dataclasses import dataclass

import numpy as np

from engine.data.sample_words import CHARACTERS, SYLLABLES, THEMES
from engine.data.taxonomy import Taxonomy

SHAPES = 8
_TAIL_EXPONENT = 0.9
_OWN_WORDS = 28
_SIBLING_WORDS = 12
_THEME_WORDS = 36
_LATIN_SHARE = 0.2


@dataclass(frozen=True)
class Look:
    """How a class's frames look: hues from 0 to 1, one of `SHAPES` shapes."""

    shape: int
    hue: float
    background: float


@dataclass(frozen=True)
class Topic:
    """One leaf class. Words that come earlier are said more often."""

    code: str
    words: tuple[str, ...]
    theme_words: tuple[str, ...]
    look: Look
    siblings: tuple[int, ...]


@dataclass(frozen=True)
class World:
    """All classes: topic i is leaf i of the taxonomy and makes up `shares[i]` of the videos."""

    taxonomy: Taxonomy
    topics: tuple[Topic, ...]
    shares: tuple[float, ...]


def make_world(classes: int, rng: np.random.Generator) -> World:
    """A world of `classes` leaves under a fourth as many level-1 classes (2 to 23), with long-tailed shares."""
    theme_count = min(len(THEMES), max(2, round(classes / 4)))
    smallest = 2 if classes >= 2 * theme_count else 1
    spare = classes - smallest * theme_count
    sizes = smallest + rng.multinomial(spare, np.full(theme_count, 1 / theme_count))
    chosen = rng.permutation(len(THEMES))[:theme_count]
    names: dict[str, str] = {}
    topics: list[Topic] = []
    for theme, size in enumerate(sizes):
        name, topic_names = list(THEMES.items())[int(chosen[theme])]
        titles = _titles(topic_names.split(), int(size), rng)
        names[f"{theme:02}"] = name
        names |= {f"{theme:02}{position:02}": title for position, title in enumerate(titles)}
        topics += _topics(theme, name, titles, len(topics), theme / theme_count, rng)
    weights = (rng.permutation(classes) + 1.0) ** -_TAIL_EXPONENT
    taxonomy = Taxonomy.from_codes([topic.code for topic in topics], names)
    return World(taxonomy, tuple(topics), tuple(weights / weights.sum()))


def _titles(known: list[str], size: int, rng: np.random.Generator) -> list[str]:
    order = [known[place] for place in rng.permutation(len(known))]
    return [
        order[position % len(order)] + (str(position // len(order) + 1) if position >= len(order) else "")
        for position in range(size)
    ]


def _topics(
    theme: int,
    theme_name: str,
    titles: list[str],
    first_leaf: int,
    theme_hue: float,
    rng: np.random.Generator,
) -> list[Topic]:
    theme_words = [theme_name, *_invent(_THEME_WORDS, rng)]
    own = [[title, *_invent(_OWN_WORDS, rng)] for title in titles]
    topics = []
    for position, words in enumerate(own):
        # Words of the neighbours come early enough to be common: they tell the theme, and mislead about the topic.
        borrowed = [word for other, others in enumerate(own) if other != position for word in others[1:]]
        count = min(_SIBLING_WORDS, len(borrowed))
        picked = [borrowed[place] for place in rng.permutation(len(borrowed))[:count]]
        mixed = [words[0], *words[1:]]
        for word in picked:
            mixed.insert(int(rng.integers(2, len(mixed))), word)
        hue = (theme_hue + 0.5 + 0.5 * (position + 0.5) / len(own) + rng.uniform(-0.03, 0.03)) % 1
        topics.append(
            Topic(
                code=f"{theme:02}{position:02}",
                words=tuple(mixed),
                theme_words=tuple(theme_words),
                look=Look(int(rng.integers(SHAPES)), float(hue), float(theme_hue)),
                siblings=tuple(first_leaf + other for other in range(len(own)) if other != position),
            )
        )
    return topics


def _invent(count: int, rng: np.random.Generator) -> list[str]:
    syllables = SYLLABLES.split()
    words = []
    for _ in range(count):
        if rng.random() < _LATIN_SHARE:
            words.append(
                "".join(syllables[place] for place in rng.integers(len(syllables), size=rng.integers(2, 4)))
            )
        else:
            words.append("".join(CHARACTERS[place] for place in rng.integers(len(CHARACTERS), size=2)))
    return words
