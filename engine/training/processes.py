"""The processes that train one model together, a GPU each, through Accelerate: who I am, sums and gathers.

Shapes: B rows of this process, W processes.
"""

import functools
import os
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

WORLD_VARIABLE = "WORLD_SIZE"


@dataclass(frozen=True)
class Processes:
    """This process among those of a run; alone unless the environment says otherwise."""

    rank: int = 0
    count: int = 1

    @classmethod
    def of_environment(cls, *, cpu: bool) -> "Processes":
        """The group that `RANK` and `WORLD_SIZE` describe, joined once a process.

        Raises:
            RuntimeError: the group did not come up with as many processes as were asked for.
        """
        wanted = int(os.environ.get(WORLD_VARIABLE, "1"))
        if wanted == 1:
            return cls()
        from accelerate import PartialState
        from accelerate.utils import check_cuda_p2p_ib_support

        if not cpu and not check_cuda_p2p_ib_support():
            # Cards that have no direct way to one another: refused without these, which `accelerate launch` sets too.
            os.environ |= {"NCCL_P2P_DISABLE": "1", "NCCL_IB_DISABLE": "1"}
        state = PartialState(cpu=cpu)
        if state.num_processes != wanted:
            raise RuntimeError(f"{state.num_processes} of {wanted} processes of the run came up")
        return cls(state.process_index, state.num_processes)

    @property
    def main(self) -> bool:
        """Whether this process reports and saves."""
        return self.rank == 0

    @torch.no_grad()
    def sum_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace every gradient by its sum over the processes; a missing one counts as zero."""
        if self.count == 1:
            return
        trained = [parameter for parameter in parameters if parameter.requires_grad]
        flat = torch.cat(
            [(torch.zeros_like(one) if one.grad is None else one.grad).flatten().float() for one in trained]
        )
        self.sum_(flat)
        start = 0
        for one in trained:
            piece = flat[start : start + one.numel()].view_as(one).to(one.dtype)
            start += one.numel()
            if one.grad is None:
                one.grad = piece.clone()
            else:
                one.grad.copy_(piece)

    def sum_(self, tensor: Tensor) -> Tensor:
        """`tensor` summed over the processes, in place."""
        if self.count > 1:
            torch.distributed.all_reduce(tensor)
        return tensor

    def gather(self, x_BD: Tensor) -> Tensor:
        """Rows of all processes [W x B, D] in the order of ranks, with gradients; every process gives as many."""
        if self.count == 1:
            return x_BD
        from torch.distributed.nn.functional import all_gather

        return torch.cat(list(all_gather(x_BD)))  # type: ignore[no-untyped-call]

    def any(self, flag: bool) -> bool:
        """Whether any process says so: all get the same answer."""
        if self.count == 1:
            return flag
        # On the host: asking a device would wait for it at every step.
        votes = torch.tensor(int(flag))
        torch.distributed.all_reduce(votes, group=_host_group())
        return bool(votes)

    def wait(self) -> None:
        """Go on when all are here."""
        if self.count > 1:
            torch.distributed.barrier()


@functools.cache
def _host_group() -> "torch.distributed.ProcessGroup":
    group = torch.distributed.new_group(backend="gloo")
    assert isinstance(group, torch.distributed.ProcessGroup)
    return group
