"""Two steps in each of several gloo processes; rank 0 saves the state. Run by test_distributed.py."""

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
torch.distributed.init_process_group("gloo")
init_default_scope("mmagic")
model = MODEL_WRAPPERS.build(
    dict(
        type="MMSeparateDistributedDataParallel",
        module=build_fixed_model(),
        device_ids=None,
        broadcast_buffers=False,
    )
)
optim_wrapper = sgd(model.module)
for _ in range(2):
    model.train_step(local_batch(), optim_wrapper)
if get_rank() == 0:
    torch.save(model.module.state_dict(), sys.argv[1])
torch.distributed.destroy_process_group()
