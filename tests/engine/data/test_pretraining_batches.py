"""Pre-training batches: what is hidden, how often, what is asked for, and whose frames stand beside whose text."""

import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.config.stages import PretrainTasks
from engine.data.columns import RaggedWriter
from engine.data.features import FeatureStore, FeatureWriter
from engine.data.masking import draw_roles, mask_tokens, mismatch
from engine.data.pool import SplitVideos, VideoPool
from engine.data.pretraining import MaskedInputs, PretrainingBatch, PretrainingBatches, Vocabulary
from engine.data.text import TokenTable
from engine.data.titles import TitleBatches
from engine.data.videos import StoredFrames

PAD, UNK, CLS, SEP, MASK, WORDS = 0, 1, 2, 3, 4, 50
SPECIAL = np.arange(WORDS) <= MASK
VOCABULARY = Vocabulary(MASK, SPECIAL)
FRAMES, TOKENS, DIM = 5, 30, 4
Texts = Sequence[tuple[Sequence[int], Sequence[int], Sequence[int]]]


def token_table(folder: Path, texts: Texts) -> TokenTable:
    folder.mkdir(parents=True)
    for position, name in enumerate(("title", "ocr", "asr")):
        with RaggedWriter(folder, name, np.int32) as column:
            for video in texts:
                column.append(np.asarray(video[position], np.int32).tobytes())
    return TokenTable(folder, CLS, SEP)


def store(folder: Path, counts: dict[str, int]) -> FeatureStore:
    """Features in which frame f of the n-th video holds the numbers n, f, 1, 1."""
    writer = FeatureWriter(folder, DIM)
    rows = [(n, f, 1, 1) for n, count in enumerate(counts.values()) for f in range(count)]
    writer.add_shard(0, list(counts), list(counts.values()), np.asarray(rows, np.float16).reshape(-1, DIM))
    writer.finish()
    return FeatureStore.open(folder)


def make_pool(folder: Path, texts: Texts, counts: Sequence[int]) -> VideoPool:
    ids = np.asarray([f"v{number}" for number in range(len(texts))])
    frames = StoredFrames(store(folder / "features", dict(zip(ids.tolist(), counts, strict=True))), FRAMES)
    return VideoPool([SplitVideos(ids, token_table(folder / "tokens", texts), frames)])


def random_texts(videos: int, seed: int = 0) -> Texts:
    rng = np.random.default_rng(seed)
    return [
        tuple(rng.integers(UNK, WORDS, rng.integers(1, 12)).tolist() for _ in range(3)) for _ in range(videos)
    ]


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> VideoPool:
    """Forty videos with all kinds of text and two to nine frames."""
    counts = np.random.default_rng(1).integers(2, 10, 40).tolist()
    return make_pool(tmp_path_factory.mktemp("pool"), random_texts(40), counts)


def maker(pool: VideoPool, **tasks: Any) -> PretrainingBatches:
    return PretrainingBatches(pool, PretrainTasks.model_validate(tasks), VOCABULARY, TOKENS, FRAMES)


def only(*names: str) -> dict[str, Any]:
    return {name: {"weight": 0} for name in ("mlm", "mfm", "ftm", "ftc", "mmm") if name not in names}


def made(
    making: PretrainingBatches, rows: Sequence[int], epoch: int = 0
) -> tuple[PretrainingBatch, MaskedInputs]:
    _, batch, problems = making.batch(np.asarray(rows), seed=3, epoch=epoch)
    assert problems == []
    assert batch.masked is not None
    return batch, batch.masked


def within_three_sigma(successes: int, trials: int, rate: float) -> bool:
    return abs(successes - rate * trials) <= 3 * (trials * rate * (1 - rate)) ** 0.5


def original_ids(pool: VideoPool, row: int, width: int) -> NDArray[np.int64]:
    ids = pool.tokens(row, ("title", "ocr", "asr"), TOKENS)
    return np.pad(ids, (0, width - len(ids)))


@pytest.mark.parametrize("videos", range(1, 41))
def test_a_random_quarter_serves_the_masked_modality_and_the_rest_all_else(videos: int) -> None:
    roles = draw_roles(videos, np.random.default_rng(videos), modality=True, joint=True)
    hidden = len(roles.frames_hidden) + len(roles.text_hidden)
    assert hidden == videos // 4
    assert abs(len(roles.frames_hidden) - len(roles.text_hidden)) <= 1
    together = np.concatenate([roles.frames_hidden, roles.text_hidden, roles.joint])
    assert sorted(together) == list(range(videos))


def test_every_row_is_as_likely_to_serve_either_modality() -> None:
    rng = np.random.default_rng(0)
    frames, text = np.zeros(10), np.zeros(10)
    for _ in range(6000):
        roles = draw_roles(10, rng, modality=True, joint=True)
        frames[roles.frames_hidden] += 1
        text[roles.text_hidden] += 1
    for hits in (*frames, *text):
        assert within_three_sigma(int(hits), 6000, 0.1)


def test_a_task_that_is_alone_gets_all_videos() -> None:
    rng = np.random.default_rng(0)
    assert len(draw_roles(8, rng, modality=False, joint=True).joint) == 8
    alone = draw_roles(8, rng, modality=True, joint=False)
    assert (len(alone.frames_hidden), len(alone.text_hidden), len(alone.joint)) == (4, 4, 0)


@pytest.mark.parametrize("videos", range(2, 10))
@pytest.mark.parametrize("rate", [0.1, 0.5, 0.99])
def test_mismatched_rows_get_frames_of_another_and_as_many_are_chosen_as_the_rate_says(
    videos: int, rate: float
) -> None:
    rng = np.random.default_rng(videos)
    rows = np.arange(videos) * 3 + 1
    chosen_in_all = 0
    for _ in range(1000):
        chosen, donors = mismatch(rows, rate, rng)
        assert len(set(chosen)) == len(chosen) == len(donors)
        assert not (chosen == donors).any()
        assert set(chosen) | set(donors) <= set(rows)
        assert len(chosen) in (int(rate * videos), int(rate * videos) + 1)
        chosen_in_all += len(chosen)
    rest = rate * videos % 1
    assert within_three_sigma(chosen_in_all - 1000 * int(rate * videos), 1000, rest)


def test_fewer_than_two_rows_cannot_be_mismatched() -> None:
    for rows in (np.arange(0), np.arange(1)):
        assert [len(part) for part in mismatch(rows, 0.5, np.random.default_rng(0))] == [0, 0]


def test_chosen_tokens_become_mask_random_or_stay_in_the_known_shares() -> None:
    rng = np.random.default_rng(0)
    ids = rng.integers(MASK + 1, WORDS, (100, 1000))
    before = ids.copy()
    chosen = rng.random(ids.shape) < 0.5
    masked = mask_tokens(ids, chosen, rng.random(ids.shape), MASK, np.flatnonzero(~SPECIAL))
    assert (ids == before).all()
    assert (masked[~chosen] == ids[~chosen]).all()
    trials = int(chosen.sum())
    became = masked[chosen]
    assert within_three_sigma(int((became == MASK).sum()), trials, 0.8)
    other = (became != MASK) & (became != ids[chosen])
    words = WORDS - MASK - 1
    assert within_three_sigma(int(other.sum()), trials, 0.1 * (1 - 1 / words))
    counts = np.bincount(became[other], minlength=WORDS)
    assert not counts[SPECIAL].any()
    assert counts[~SPECIAL].min() > 0.8 * other.sum() / words


def test_masks_have_the_rates_of_the_settings_for_matched_and_mismatched_pairs_alike(pool: VideoPool) -> None:
    making = maker(pool, **only("mlm", "mfm", "ftm"))
    rows = np.arange(40)
    words, hidden, frames, zeroed = np.zeros((4, 2), int)
    for epoch in range(150):
        batch, masked = made(making, rows, epoch)
        mismatched = (masked.shown_B.numpy() != rows).astype(int)
        width = masked.token_ids_BT.shape[1]
        ids = np.stack([original_ids(pool, row, width) for row in rows])
        # Of what is chosen, 80% shows as [MASK]; the words themselves never are.
        np.add.at(words, mismatched, (~SPECIAL[ids]).sum(axis=1))
        np.add.at(
            hidden, mismatched, (masked.token_ids_BT.numpy() == MASK).sum(axis=1) - (ids == MASK).sum(axis=1)
        )
        np.add.at(frames, mismatched, batch.frame_mask_BF.numpy()[masked.shown_B].sum(axis=1))
        np.add.at(zeroed, mismatched, masked.zeroed_BF.numpy().sum(axis=1))
    for kind in (0, 1):
        assert words[kind] > 10_000
        assert within_three_sigma(hidden[kind], words[kind], 0.3 * 0.8)
        assert within_three_sigma(zeroed[kind], frames[kind], 0.15 * 0.9)


def test_only_words_and_real_frames_are_hidden_and_what_is_asked_for_is_the_own(pool: VideoPool) -> None:
    making = maker(pool)
    rows = np.random.default_rng(0).permutation(40)[:17]
    for epoch in range(60):
        batch, masked = made(making, rows, epoch)
        seen = masked.token_ids_BT.numpy()
        mask = masked.token_mask_BT.numpy()
        ids = np.stack([original_ids(pool, int(row), seen.shape[1]) for row in rows])
        changed = seen != ids
        assert not changed[SPECIAL[ids]].any()
        assert not SPECIAL[seen[changed & (seen != MASK)]].any()
        assert (
            mask.sum(axis=1) == [len(pool.tokens(int(row), ("title", "ocr", "asr"), TOKENS)) for row in rows]
        ).all()

        shown = masked.shown_B.numpy()
        frame_mask = batch.frame_mask_BF.numpy()
        tokens = mask.sum(axis=1)
        assert masked.longest == (tokens + frame_mask[shown].sum(axis=1)).max()
        row, column = np.divmod(masked.text_places_K.numpy(), masked.longest)
        assert (masked.text_targets_K.numpy() == ids[row, column]).all()
        assert len(set(masked.text_places_K.tolist())) == len(row)
        assert (shown[row] == row).all()
        whole = row[masked.mlm_tokens :]
        for video in set(whole):
            assert (seen[video][~SPECIAL[ids[video]]] == MASK).all()
            assert (whole == video).sum() == (~SPECIAL[ids[video]]).sum()
            assert not masked.zeroed_BF[video].any()
        assert not set(whole) & set(row[: masked.mlm_tokens])

        row, column = np.divmod(masked.frame_places_J.numpy(), masked.longest)
        column -= tokens[row]
        target_row, target_frame = np.divmod(masked.frame_targets_J.numpy(), frame_mask.shape[1])
        assert (column >= 0).all()
        assert (target_row == row).all()
        assert (target_frame == column).all()
        assert frame_mask[row, column].all()
        assert masked.zeroed_BF.numpy()[row, column].all()
        assert (shown[row] == row).all()
        assert not (masked.zeroed_BF.numpy() & ~frame_mask[shown]).any()
        for video in set(row[masked.mfm_frames :]):
            assert (masked.zeroed_BF.numpy()[video] == frame_mask[video]).all()
            assert not changed[video].any()
        # Each video's own frames, once, unchanged: what targets are told from.
        for place, video in enumerate(rows):
            own = batch.frames_BFV.numpy()[place][frame_mask[place]]
            assert (own[:, 0] == video).all()
            assert (np.diff(own[:, 1]) > 0).all()


@pytest.mark.parametrize("videos", range(2, 10))
def test_pairs_that_are_called_mismatched_are(pool: VideoPool, videos: int) -> None:
    making = maker(pool, **only("ftm"))
    mismatched = 0
    for epoch in range(100):
        _, masked = made(making, range(videos), epoch)
        shown = masked.shown_B.numpy()
        rows = masked.pair_rows_P.numpy()
        assert sorted(rows) == list(range(videos))
        assert ((shown[rows] == rows) == masked.pair_targets_P.numpy()).all()
        mismatched += int((shown != np.arange(videos)).sum())
    assert 0.4 < mismatched / (100 * videos) < 0.6


def test_pairs_without_frames_or_words_are_neither_judged_nor_swapped(tmp_path: Path) -> None:
    texts = [([9], [], []), ([], [], []), ([8, 7], [], [6]), ([UNK], [], []), ([5], [5], [5]), ([6], [], [])]
    making = maker(make_pool(tmp_path, texts, [3, 3, 0, 3, 3, 3]), **only("ftm", "mlm", "mfm"))
    for epoch in range(50):
        _, masked = made(making, range(6), epoch)
        assert sorted(masked.pair_rows_P.tolist()) == [0, 4, 5]
        shown = masked.shown_B.numpy()
        assert (shown[[1, 2, 3]] == [1, 2, 3]).all()
        assert set(shown[[0, 4, 5]]) <= {0, 4, 5}
    _, masked = made(making, range(4))
    assert masked.pair_rows_P.numel() == 0


def test_a_videos_own_draws_do_not_depend_on_the_rest_of_the_batch(pool: VideoPool) -> None:
    making = maker(pool, **only("mlm", "mfm"))
    batch, masked = made(making, range(20))
    for row in range(20):
        alone_batch, alone = made(making, [row])
        tokens, frames = alone.token_ids_BT.shape[1], alone.zeroed_BF.shape[1]
        assert (alone.token_ids_BT[0] == masked.token_ids_BT[row, :tokens]).all()
        assert (alone.zeroed_BF[0] == masked.zeroed_BF[row, :frames]).all()
        assert (alone_batch.frames_BFV[0] == batch.frames_BFV[row, :frames]).all()


def test_a_copy_in_another_process_makes_the_same_batch_and_another_epoch_another(pool: VideoPool) -> None:
    making = maker(pool)
    first, copy, later = (
        made(one, range(16), epoch)[1]
        for one, epoch in ((making, 0), (pickle.loads(pickle.dumps(making)), 0), (making, 1))
    )
    for name, value in vars(first).items():
        assert np.array_equal(value, vars(copy)[name])
    assert not np.array_equal(first.token_ids_BT, later.token_ids_BT)
    assert not np.array_equal(first.shown_B, later.shown_B)


def test_titles_stand_alone_and_only_videos_with_both_sides_are_contrasted(tmp_path: Path) -> None:
    texts = [([9, 8], [7], [6, 5]), ([], [7], []), ([9], [], []), ([9], [], []), ([UNK], [7], [])]
    making = maker(make_pool(tmp_path, texts, [2, 2, 2, 0, 2]), **only("ftc"))
    size, batch, _ = making.batch(np.arange(5), seed=0, epoch=0)
    assert batch.masked is None
    assert batch.contrast is not None
    assert batch.contrast.title_ids_BS[0].tolist() == [CLS, 9, 8, SEP]
    assert batch.contrast.rest_ids_BR[0].tolist() == [CLS, 7, SEP, 6, 5, SEP]
    assert batch.contrast.both_B.tolist() == [True, False, True, False, False]
    assert size.real_positions <= size.positions


def test_a_video_with_broken_frames_keeps_its_text_and_is_named(tmp_path: Path) -> None:
    texts = random_texts(3)
    known = StoredFrames(store(tmp_path / "features", {"v0": 2, "v2": 2}), FRAMES)
    table = token_table(tmp_path / "tokens", texts)
    pool = VideoPool([SplitVideos(np.asarray(["v0", "v1", "v2"]), table, known)])
    _, batch, problems = maker(pool).batch(np.arange(3), seed=0, epoch=0)
    assert ["v1" in problem for problem in problems] == [True]
    assert batch.frame_mask_BF.sum(dim=1).tolist() == [2, 0, 2]


def test_splits_become_one_set_in_which_the_first_one_with_an_id_counts(tmp_path: Path) -> None:
    one = StoredFrames(store(tmp_path / "a", {"x": 1, "y": 2}), FRAMES)
    two = StoredFrames(store(tmp_path / "b", {"longer": 3, "x": 4}), FRAMES)
    pool = VideoPool(
        [
            SplitVideos(
                np.asarray(["y", "x"]), token_table(tmp_path / "c", [([11], [], []), ([12], [], [])]), one
            ),
            SplitVideos(
                np.asarray(["x", "longer"]),
                token_table(tmp_path / "d", [([13], [], []), ([14, 15], [], [])]),
                two,
            ),
        ]
    )
    assert pool.ids.tolist() == ["y", "x", "longer"]
    assert [pool.tokens(row, ("title",), 9)[1] for row in range(3)] == [11, 12, 14]
    assert pool.frame_counts().tolist() == [2, 1, 3]
    assert pool.segment_lengths()[:, 0].tolist() == [1, 1, 2]
    assert len(pool.frames(2, np.random.default_rng(0), [])) == 3
    part = pool.only(np.asarray([2]))
    assert (part.ids.tolist(), part.frame_counts().tolist()) == (["longer"], [3])
    assert part.fingerprint() != pool.fingerprint()
    assert len(pool) == 3


def test_title_batches_hold_titles_and_nothing_else_of_the_text(tmp_path: Path) -> None:
    class Pixels:
        shape = (3, 2, 2)

        def read(self, video: str, rng: np.random.Generator | None) -> NDArray[np.generic]:
            return np.full(({"v0": 2, "v1": 0}[video], 3, 2, 2), 7, np.uint8)

        def counts(self, videos: NDArray[np.str_]) -> NDArray[np.int64]:
            return np.full(len(videos), 2)

    table = token_table(tmp_path / "tokens", [([9, 8], [7], [6]), ([5], [7], [])])
    making = TitleBatches(VideoPool([SplitVideos(np.asarray(["v0", "v1"]), table, Pixels())]), 3)
    assert making.lengths().tolist() == [3, 3]
    _, batch, _ = making.batch(np.arange(2), seed=0, epoch=0)
    assert batch.token_ids_BT.tolist() == [[CLS, 9, SEP], [CLS, 5, SEP]]
    assert batch.frame_mask_BF.tolist() == [[True, True], [False, False]]
    assert batch.pixels_NCHW is not None
    assert batch.pixels_NCHW.shape == (2, 3, 2, 2)
