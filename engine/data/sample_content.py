"""One sample video: what its title, OCR and ASR say, and what its frames show."""

import colorsys
import math
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import Image, ImageDraw

from engine.data.sample_words import CHARACTERS, EVERYDAY
from engine.data.sample_world import Look, World

FRAME_SIZE = 64
MAX_FRAMES = 8
_ALL_MISSING = 0.004
_MISSING = {"title": 0.04, "ocr": 0.25, "asr": 0.2, "frames": 0.05}
_WEAK = {"title": 0.3, "ocr": 0.3, "asr": 0.3, "frames": 0.2}
# How often a word of a modality at full strength is the class's own; ASR rambles.
_OWN_WORD = {"title": 0.36, "ocr": 0.34, "asr": 0.13}
_MISREAD = {"title": 0.0, "ocr": 0.08, "asr": 0.05}
_STRAY_FRAME = 0.2
_EVERYDAY = EVERYDAY.split()


@dataclass(frozen=True)
class Texts:
    """What a video says; empty where the modality is missing."""

    title: str
    ocr: list[str]
    asr: str


def draw_texts(world: World, leaf: int, rng: np.random.Generator) -> Texts:
    """Texts of a video of class `leaf`: mostly everyday words, its own among those of other classes."""
    silent = rng.random() < _ALL_MISSING
    title_words = int(rng.integers(3, 10))
    line_words = [int(words) for words in rng.integers(1, 5, size=min(8, 1 + rng.poisson(2)))]
    asr_words = int(np.clip(rng.lognormal(3.1, 0.7), 3, 90))
    title = "" if silent else _spoken("title", [title_words], world, leaf, rng)[0]
    ocr = [] if silent else _spoken("ocr", line_words, world, leaf, rng)
    asr = "" if silent else _spoken("asr", [asr_words], world, leaf, rng)[0]
    return Texts(title, [line for line in ocr if line], asr)


def draw_frames(world: World, leaf: int, rng: np.random.Generator) -> list[bytes]:
    """JPEGs of a video of class `leaf` in time order; none where the modality is missing."""
    if rng.random() < _MISSING["frames"]:
        return []
    topic = world.topics[leaf]
    # A weak video shows what its theme shows, not what its topic does.
    weak = rng.random() < _WEAK["frames"] and topic.siblings
    shown = world.topics[int(rng.choice(topic.siblings))].look if weak else topic.look
    scene = _Scene(shown, rng)
    frames = []
    for _ in range(int(rng.integers(1, MAX_FRAMES + 1))):
        stray = rng.random() < _STRAY_FRAME
        look = world.topics[int(rng.integers(len(world.topics)))].look if stray else shown
        frames.append(scene.frame(look, rng))
    return frames


def _spoken(
    modality: str, lengths: list[int], world: World, leaf: int, rng: np.random.Generator
) -> list[str]:
    if rng.random() < _MISSING[modality]:
        return [""] * len(lengths)
    strength = rng.uniform(0.0, 0.25) if rng.random() < _WEAK[modality] else rng.uniform(0.5, 1.0)
    own = _OWN_WORD[modality] * strength
    return [_sentence(length, own, _MISREAD[modality], world, leaf, rng) for length in lengths]


def _sentence(
    length: int, own: float, misread: float, world: World, leaf: int, rng: np.random.Generator
) -> str:
    topic = world.topics[leaf]
    words = []
    for draw in rng.random(length):
        if draw < own:
            words.append(_common(topic.words, rng))
        elif draw < 1.6 * own:
            words.append(_common(topic.theme_words, rng))
        elif draw < 1.6 * own + 0.08:
            # Something else comes up: a word of any class at all.
            other = world.topics[int(rng.integers(len(world.topics)))]
            words.append(_common(other.words, rng))
        else:
            words.append(_EVERYDAY[int(rng.integers(len(_EVERYDAY)))])
    text = "".join(f" {word} " if word.isascii() else word for word in words)
    text = " ".join(text.split())
    if misread and text:
        chars = list(text)
        for place in np.flatnonzero(rng.random(len(chars)) < misread):
            chars[place] = CHARACTERS[int(rng.integers(len(CHARACTERS)))]
        text = "".join(chars)
    return text


def _common(words: tuple[str, ...], rng: np.random.Generator) -> str:
    """A word of a list, earlier ones more often."""
    return words[int(len(words) * rng.random() ** 1.9)]


class _Scene:
    """What stays the same through a video: light, noise, compression, where things are and go."""

    def __init__(self, look: Look, rng: np.random.Generator) -> None:
        self.brightness = rng.uniform(0.55, 1.0)
        self.noise = int(rng.integers(20, 70))
        self.quality = int(rng.integers(45, 92))
        self.place = rng.uniform(14, FRAME_SIZE - 14, size=2)
        self.step = rng.uniform(-4, 4, size=2)
        self.radius = rng.uniform(9, 19)
        self.turn = rng.uniform(0, 2 * math.pi)
        self.hue_shift, self.background_shift = rng.normal(0, (0.04, 0.08))

    def frame(self, look: Look, rng: np.random.Generator) -> bytes:
        """The next frame as a JPEG."""
        background = _colour(look.background + self.background_shift, 0.55, 0.75 * self.brightness)
        image = Image.new("RGB", (FRAME_SIZE, FRAME_SIZE), background)
        draw = ImageDraw.Draw(image)
        for _ in range(2):
            _draw_shape(
                draw,
                int(rng.integers(8)),
                rng.uniform(0, FRAME_SIZE, 2),
                rng.uniform(3, 7),
                0.0,
                _colour(rng.random(), 0.6, self.brightness),
            )
        self.place = np.clip(self.place + self.step, 6, FRAME_SIZE - 6)
        colour = _colour(look.hue + self.hue_shift, 0.85, self.brightness)
        _draw_shape(draw, look.shape, self.place, self.radius, self.turn, colour)
        pixels = np.asarray(image, np.int16)
        grain = np.frombuffer(rng.bytes(pixels.size), np.uint8).reshape(pixels.shape).astype(np.int16)
        noisy = np.clip(pixels + (grain - 128) * self.noise // 128, 0, 255).astype(np.uint8)
        file = BytesIO()
        Image.fromarray(noisy).save(file, "JPEG", quality=self.quality)
        return file.getvalue()


def _colour(hue: float, saturation: float, value: float) -> tuple[int, int, int]:
    red, green, blue = colorsys.hsv_to_rgb(hue % 1, saturation, value)
    return round(255 * red), round(255 * green), round(255 * blue)


def _draw_shape(
    draw: ImageDraw.ImageDraw,
    shape: int,
    place: "np.ndarray[tuple[int], np.dtype[np.float64]]",
    radius: float,
    turn: float,
    colour: tuple[int, int, int],
) -> None:
    x, y = float(place[0]), float(place[1])
    box = (x - radius, y - radius, x + radius, y + radius)

    def polygon(corners: int, spike: float = 1.0) -> None:
        points = []
        for corner in range(corners):
            length = radius * (spike if corner % 2 else 1.0)
            angle = turn + 2 * math.pi * corner / corners
            points.append((x + length * math.cos(angle), y + length * math.sin(angle)))
        draw.polygon(points, fill=colour)

    match shape:
        case 0:
            draw.ellipse(box, fill=colour)
        case 1:
            polygon(4)
        case 2:
            polygon(3)
        case 3:
            polygon(10, 0.4)
        case 4:
            draw.ellipse(box, outline=colour, width=4)
        case 5:
            polygon(8, 0.25)
        case 6:
            for offset in (-0.7, 0.0, 0.7):
                middle = y + offset * radius
                draw.rectangle((x - radius, middle - 2, x + radius, middle + 2), fill=colour)
        case _:
            for dx, dy in ((-0.6, -0.6), (0.6, -0.6), (-0.6, 0.6), (0.6, 0.6)):
                px, py, r = x + dx * radius, y + dy * radius, 0.35 * radius
                draw.ellipse((px - r, py - r, px + r, py + r), fill=colour)
