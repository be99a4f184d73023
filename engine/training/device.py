"""Where a run computes and in which precision."""

import contextlib
import logging
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import torch

from engine.training.processes import Processes

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Compute:
    """A device and the precision of its forward passes; weights stay in fp32."""

    device: torch.device
    precision: str
    processes: Processes = field(default_factory=Processes)

    @property
    def name(self) -> str:
        """`NVIDIA H100 (bf16)`, `cpu (fp32)`."""
        hardware = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else "cpu"
        return f"{hardware} ({self.precision})"

    def autocast(self) -> AbstractContextManager[Any]:
        """Context for forward passes."""
        if self.precision == "fp32":
            return contextlib.nullcontext()
        dtype = torch.bfloat16 if self.precision == "bf16" else torch.float16
        return torch.autocast(self.device.type, dtype=dtype)

    def grad_scaler(self) -> torch.amp.GradScaler:
        """Loss scaling for fp16; does nothing otherwise."""
        return torch.amp.GradScaler(self.device.type, enabled=self.precision == "fp16")


def choose_compute(gpus: int, precision: str) -> Compute:
    """The device a run asked for, or the CPU with a warning where it is not there."""
    use_cuda = gpus > 0 and torch.cuda.is_available()
    if gpus > 0 and not use_cuda:
        log.warning("asked for %d GPU(s) and there is none: running on the CPU", gpus)
    processes = Processes.of_environment(cpu=not use_cuda)
    if use_cuda and gpus > processes.count:
        log.warning("asked for %d GPUs: this stage uses %d", gpus, processes.count)
    device = torch.device("cuda", processes.rank) if use_cuda else torch.device("cpu")
    if use_cuda:
        torch.cuda.set_device(device)
        torch.backends.cuda.matmul.allow_tf32 = True
    if precision == "auto":
        bf16 = use_cuda and torch.cuda.is_bf16_supported(including_emulation=False)
        precision = ("bf16" if bf16 else "fp16") if use_cuda else "fp32"
    return Compute(device, precision, processes)
