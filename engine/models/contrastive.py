"""Contrastive losses over the videos and frames of a batch, on all processes.

Shapes: B videos of this process, E embedding size, W processes, A = W x B videos of all processes, J predictions,
N candidates.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.training.processes import Processes

START_TEMPERATURE = 0.07
_MAX_LOG_SCALE = math.log(100)


class LogitScale(nn.Module):
    """The factor on cosine similarities, 1 / temperature, as CLIP learns it (Radford et al. 2021): exp(s), at most 100.

    Args:
        learned: whether s is trained; it starts at ln(1 / 0.07).
    """

    def __init__(self, *, learned: bool) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(-math.log(START_TEMPERATURE)), requires_grad=learned)

    def forward(self) -> Tensor:
        """The factor, a scalar in fp32."""
        return self.log_scale.float().clamp(max=_MAX_LOG_SCALE).exp()


def symmetric_contrast(
    a_BE: Tensor, b_BE: Tensor, both_B: Tensor, scale: Tensor | float, processes: Processes
) -> tuple[Tensor, Tensor]:
    """Cross-entropy of finding each a's own b among all b, plus that of finding each b's own a (Radford et al. 2021).

    With unit vectors a, b and factor s: -1/n sum_i [log softmax_j(s a_i b_j)_i + log softmax_j(s b_i a_j)_i] over the n
    videos that have both; the others are neither asked for nor among the candidates. Negatives come from all
    processes; every process returns its own videos' part such that the mean over processes is the whole.

    Args:
        both_B: bool, which videos have both; without any the loss is zero.

    Returns:
        The loss, and the share of right answers, without gradient.
    """
    with torch.autocast(a_BE.device.type, enabled=False):
        a_BE, b_BE = F.normalize(a_BE.float(), dim=-1), F.normalize(b_BE.float(), dim=-1)
        both_A = processes.gather(both_B.float()) > 0
        own_B = processes.rank * len(a_BE) + torch.arange(len(a_BE), device=a_BE.device)
        share = processes.count / both_A.sum().clamp(min=1)
        loss, right = a_BE.new_zeros(()), a_BE.new_zeros(())
        for from_BE, to_BE in ((a_BE, b_BE), (b_BE, a_BE)):
            logits_BA = scale * (from_BE @ _gathered(to_BE, processes).T)
            # Rows that are not asked for keep finite logits: a row of nothing but -inf would spoil all gradients.
            out_BA = both_B[:, None] & ~both_A
            logits_BA = logits_BA.masked_fill(out_BA, -math.inf)
            loss_B = F.cross_entropy(logits_BA, own_B, reduction="none")
            loss = loss + (loss_B * both_B).sum() * share
            right = right + ((logits_BA.detach().argmax(dim=1) == own_B) & both_B).sum() * share / 2
    return loss, right


def _gathered(x_BE: Tensor, processes: Processes) -> Tensor:
    if processes.count > 1 and torch.is_grad_enabled() and not x_BE.requires_grad:
        # A process whose own side needs no gradient, all its videos being without frames, still has to take part in
        # the backward pass of the others, which would wait for it for ever.
        x_BE = x_BE.detach().requires_grad_()
    return processes.gather(x_BE)


def noise_contrast(
    predicted_JE: Tensor,
    candidates_NE: Tensor,
    valid_N: Tensor,
    targets_J: Tensor,
    *,
    normalize: bool,
    temperature: float,
) -> Tensor:
    """Cross-entropy of finding the right candidate by its dot product with each prediction (InfoNCE, van den Oord
    et al. 2018): -log softmax_n(p_j c_n / temperature) at the target.

    Args:
        valid_N: bool, candidates that exist.
        normalize: compare unit vectors.

    Returns:
        One loss for each prediction, fp32 [J].
    """
    with torch.autocast(predicted_JE.device.type, enabled=False):
        predicted_JE, candidates_NE = predicted_JE.float(), candidates_NE.float()
        if normalize:
            predicted_JE, candidates_NE = (F.normalize(x, dim=-1) for x in (predicted_JE, candidates_NE))
        logits_JN = (predicted_JE @ candidates_NE.T / temperature).masked_fill(~valid_N, -math.inf)
        return F.cross_entropy(logits_JN, targets_J, reduction="none")
