"""Single-stream pre-training: the encoder, a head for each task, and their losses.

Shapes: B videos, T text tokens, F frames, L positions of a sequence, S title tokens, R tokens of OCR and ASR, D hidden
size, V frame embedding size, W processes, N = W x B x F frames of all of them, K tokens to predict, J frames to
predict, P pairs to judge, O size of the vocabulary.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import BertConfig, BertModel

from engine.config.stages import PretrainTasks
from engine.data.pretraining import ContrastInputs, MaskedInputs, PretrainingBatch
from engine.models.contrastive import LogitScale, noise_contrast, symmetric_contrast
from engine.models.single_stream import SingleStreamEncoder, initialise, masked_mean
from engine.training.processes import Processes

_MMM_FRAMES = 0.5


class Transform(nn.Sequential):
    """Dense, GELU, LayerNorm: BERT's way from a state to a prediction."""

    def __init__(self, config: BertConfig) -> None:
        size = config.hidden_size
        super().__init__(nn.Linear(size, size), nn.GELU(), nn.LayerNorm(size, eps=config.layer_norm_eps))


class MaskedLanguageModeling(nn.Module):
    """States to scores of every word (Devlin et al. 2018): the decoder's matrix is the table of word embeddings."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.transform = Transform(config)
        self.bias = nn.Parameter(torch.zeros(config.vocab_size))
        initialise(self, config)

    def forward(self, states_KD: Tensor, words_OD: Tensor) -> Tensor:
        """Scores [K, O]; the table is passed in, so that it has one name in a checkpoint."""
        return F.linear(self.transform(states_KD), words_OD, self.bias)


class MaskedFrameModeling(nn.Module):
    """States to frame embeddings [J, V]."""

    def __init__(self, config: BertConfig, frame_size: int) -> None:
        super().__init__()
        self.transform = Transform(config)
        self.decoder = nn.Linear(config.hidden_size, frame_size)
        initialise(self, config)

    def forward(self, states_JD: Tensor) -> Tensor:
        predicted_JV: Tensor = self.decoder(self.transform(states_JD))
        return predicted_JV


class SingleStreamPretraining(SingleStreamEncoder):
    """MLM, MFM, frame-text matching, frame-text contrast and masked modality modelling on one encoder.

    Args:
        text: text encoder; its embeddings and its layers are used.
        frame_size: size V of a frame embedding.
        tasks: which tasks, and their settings.
        max_frames: most frames of a video; processes that train together agree on it.
        processes: the others whose frames and videos are negatives too.
    """

    def __init__(
        self,
        text: BertModel,
        *,
        frame_size: int,
        tasks: PretrainTasks,
        max_frames: int,
        processes: Processes | None = None,
    ) -> None:
        super().__init__(text, frame_size=frame_size)
        self.tasks = tasks
        self.max_frames = max_frames
        self.processes = processes or Processes()
        self.mlm = MaskedLanguageModeling(text.config)
        self.mfm = MaskedFrameModeling(text.config, frame_size)
        self.ftm = nn.Linear(text.config.hidden_size, 2)
        self.ftc = LogitScale(learned=tasks.ftc.weight > 0 and tasks.ftc.temperature == "learned")
        initialise(self.ftm, text.config)

    def forward(self, batch: PretrainingBatch) -> dict[str, Tensor]:
        """`loss`, the weighted sum, and each task's own loss by name, scalars in fp32.

        A task that finds nothing to predict in the batch has loss zero and gradient zero.
        """
        frames_BFV = batch.frames_BFV.to(self.frame_projection.weight.dtype)
        values: dict[str, Tensor] = {}
        if batch.masked is not None:
            values |= self._masked(batch.masked, frames_BFV, batch.frame_mask_BF)
        if batch.contrast is not None:
            values |= self._contrast(batch.contrast, frames_BFV, batch.frame_mask_BF)
        weights = self.weights()
        total = frames_BFV.new_zeros((), dtype=torch.float32)
        for name, weight in weights.items():
            total = total + weight * values[name]
        return {"loss": total} | values

    def weights(self) -> dict[str, float]:
        """Weight of each loss that is switched on, by its name."""
        tasks = self.tasks
        weights = {
            "mlm": tasks.mlm.weight,
            "mfm": tasks.mfm.weight,
            "ftm": tasks.ftm.weight,
            "ftc": tasks.ftc.weight,
            "mmm_text": tasks.mmm.weight,
            "mmm_frames": tasks.mmm.weight * _MMM_FRAMES,
        }
        return {name: weight for name, weight in weights.items() if weight > 0}

    def _masked(self, masked: MaskedInputs, frames_BFV: Tensor, frame_mask_BF: Tensor) -> dict[str, Tensor]:
        """Losses of the four tasks that one pass over text and frames serves."""
        shown_BFV = frames_BFV[masked.shown_B].masked_fill(masked.zeroed_BF[..., None], 0)
        states_BLD, _ = self.encode(
            masked.token_ids_BT,
            masked.token_mask_BT,
            shown_BFV,
            frame_mask_BF[masked.shown_B],
            masked.longest,
        )
        flat_D = states_BLD.flatten(0, 1)
        values: dict[str, Tensor] = {}
        tasks = self.tasks
        if tasks.mlm.weight or tasks.mmm.weight:
            # Only what is to be predicted goes through the vocabulary, the most expensive layer of all.
            scores_KO = self.mlm(flat_D[masked.text_places_K], self.word_embeddings.weight)
            losses_K = F.cross_entropy(scores_KO.float(), masked.text_targets_K, reduction="none")
            values |= self._split("mlm", "mmm_text", losses_K, masked.mlm_tokens)
        if tasks.mfm.weight or tasks.mmm.weight:
            candidates_NV, valid_N, targets_J = self._candidates(
                frames_BFV, frame_mask_BF, masked.frame_targets_J
            )
            losses_J = noise_contrast(
                self.mfm(flat_D[masked.frame_places_J]),
                candidates_NV,
                valid_N,
                targets_J,
                normalize=tasks.mfm.normalize,
                temperature=tasks.mfm.temperature,
            )
            values |= self._split("mfm", "mmm_frames", losses_J, masked.mfm_frames)
        if tasks.ftm.weight:
            scores_P2 = self.ftm(states_BLD[masked.pair_rows_P, 0]).float()
            values["ftm"] = _mean(F.cross_entropy(scores_P2, masked.pair_targets_P, reduction="none"))
            right_P = scores_P2.detach().argmax(dim=1) == masked.pair_targets_P
            values["ftm_accuracy"] = _mean(right_P.float())
        return values

    def _split(self, joint: str, modality: str, losses: Tensor, first: int) -> dict[str, Tensor]:
        """Mean losses of the two tasks whose predictions shared a head, those that are switched on."""
        both = {joint: losses[:first], modality: losses[first:]}
        weights = self.weights()
        return {name: _mean(own) for name, own in both.items() if name in weights}

    def _candidates(
        self, frames_BFV: Tensor, frame_mask_BF: Tensor, targets_J: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """All frames of the batch on all processes [N, V], which of them exist [N], and where the targets are."""
        processes = self.processes
        width = frame_mask_BF.shape[1]
        if processes.count > 1:
            missing = self.max_frames - width
            targets_J = targets_J // max(width, 1) * self.max_frames + targets_J % max(width, 1)
            targets_J = targets_J + processes.rank * len(frames_BFV) * self.max_frames
            frames_BFV = processes.gather(F.pad(frames_BFV, (0, 0, 0, missing)))
            frame_mask_BF = processes.gather(F.pad(frame_mask_BF.float(), (0, missing))) > 0
        return frames_BFV.flatten(0, 1), frame_mask_BF.flatten(), targets_J

    def _contrast(
        self, inputs: ContrastInputs, frames_BFV: Tensor, frame_mask_BF: Tensor
    ) -> dict[str, Tensor]:
        """Loss of titles against the rest of their videos; the title's pass sees nothing else."""
        title_BSD, title_mask_BS = self.encode(
            inputs.title_ids_BS, inputs.title_mask_BS, frames_BFV[:, :0], frame_mask_BF[:, :0]
        )
        rest_BLD, rest_mask_BL = self.encode(
            inputs.rest_ids_BR, inputs.rest_mask_BR, frames_BFV, frame_mask_BF, inputs.longest
        )
        scale = 1.0 if self.tasks.ftc.temperature == "none" else self.ftc()
        loss, right = symmetric_contrast(
            masked_mean(title_BSD, title_mask_BS),
            masked_mean(rest_BLD, rest_mask_BL),
            inputs.both_B,
            scale,
            self.processes,
        )
        values = {"ftc": loss, "ftc_accuracy": right}
        if isinstance(scale, Tensor):
            values["ftc_temperature"] = 1 / scale.detach()
        return values


def _mean(values: Tensor) -> Tensor:
    """Mean, zero where there are none."""
    return values.sum() / max(len(values), 1)
