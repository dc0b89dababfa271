"""Two steps in each of several gloo processes; rank 0 saves the states. Run by test_distributed.py."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import projects.threedgp.compat  # noqa: F401, I001
import torch
from mmagic.registry import MODEL_WRAPPERS
from mmengine.dist import get_rank
from mmengine.registry import init_default_scope

from tests.fixed_draws import build_fixed_model, local_batch, sgd

torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)
torch.distributed.init_process_group("gloo")
init_default_scope("mmagic")


def state_after_two_steps(**changes) -> dict[str, torch.Tensor]:
    model = MODEL_WRAPPERS.build(
        dict(
            type="MMSeparateDistributedDataParallel",
            module=build_fixed_model(mbstd_group_size=2, **changes),
            device_ids=None,
            broadcast_buffers=False,
        )
    )
    optim_wrapper = sgd(model.module)
    for _ in range(2):
        model.train_step(local_batch(), optim_wrapper)
    return model.module.state_dict()


states = {
    "whole share": state_after_two_steps(),
    "micro batches": state_after_two_steps(micro_batch_size=2),
}
if get_rank() == 0:
    torch.save(states, sys.argv[1])
torch.distributed.destroy_process_group()
