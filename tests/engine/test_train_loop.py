"""Training is as long as the images it sees, and continues where it ended."""

import shutil
import time
from itertools import islice

import pytest
import torch
from mmengine.dataset import BaseDataset, InfiniteSampler
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from torch import nn

from projects.threedgp.engine import train_loop
from tests import tiny_runs


class Numbers(BaseDataset):
    """Sample i is the number i; counts what is loaded."""

    loaded = 0

    def load_data_list(self):
        return [dict(number=i) for i in range(23)]

    def __getitem__(self, index):
        Numbers.loaded += 1
        return self.get_data_info(index)


class Notebook(BaseModel):
    """A model that counts its images, and takes down which they were and a random number."""

    def __init__(self, counts: bool = True, processes: int = 1):
        super().__init__()
        self.processes = processes
        self.weight = nn.Parameter(torch.zeros(()))
        if counts:
            self.register_buffer("images_seen", torch.zeros((), dtype=torch.long))
        self.numbers, self.random = [], []

    def train_step(self, data, optim_wrapper):
        self.numbers += data["number"].tolist()
        self.random.append(torch.rand(()).item())
        self.images_seen += len(data["number"]) * self.processes
        return dict(loss=self.weight.detach())

    def forward(self, *inputs):
        return []


def runner(work_dir, kimg: float, batch_size: int = 4, model=None, loader=None, **arguments):
    data = dict(
        batch_size=batch_size,
        num_workers=0,
        dataset=Numbers(),
        sampler=dict(type="InfiniteSampler"),
        collate_fn=dict(type="default_collate"),
    )
    data |= loader or {}
    return tiny_runs.runner(
        work_dir,
        model or Notebook(),
        train_dataloader=data,
        optim_wrapper=dict(optimizer=dict(type="SGD", lr=0.1)),
        **dict(train_cfg=dict(type="KimgTrainLoop", total_kimg=kimg)) | arguments,
    )


def train(*args, **kwargs) -> Notebook:
    run = runner(*args, **kwargs)
    model = run.train()
    # Left to the garbage collector, each loader process is waited for in vain for seconds.
    if hasattr(iterator := run.train_loop.dataloader_iterator._iterator, "_shutdown_workers"):
        iterator._shutdown_workers()
    return model


@pytest.mark.parametrize(
    "kimg, batch, iterations", [(0.02, 4, 5), (0.021, 4, 6), (1.1, 100, 11), (0.001, 4, 1)]
)
def test_iterations_cover_the_images_asked_for(tmp_path, kimg, batch, iterations):
    assert runner(tmp_path, kimg, batch).train_loop.max_iters == iterations


def test_training_sees_the_images_asked_for(tmp_path):
    model = train(tmp_path, 0.02)
    assert model.images_seen == 20 and len(model.numbers) == 20


@pytest.mark.parametrize("interval, iterations", [(None, 25), (0.04, 10), (0.001, 1)])
def test_validation_interval_is_in_images_too(tmp_path, interval, iterations):
    config = dict(type="KimgTrainLoop", total_kimg=0.1, val_interval_kimg=interval)
    assert runner(tmp_path, 0.1, train_cfg=config).train_loop.val_interval == iterations


def test_curves_in_memory_keep_their_end_only(tmp_path, monkeypatch):
    """The toolkit would keep a million, and copy them all for each new one."""
    monkeypatch.setattr(train_loop, "KEPT_VALUES", 3)
    run = runner(tmp_path, 0.04)
    run.train()
    assert run.iter == 10
    assert {len(history.data[0]) for history in run.message_hub.log_scalars.values()} == {3}


def test_lengths_have_to_be_positive(tmp_path):
    with pytest.raises(ValueError, match=r"total_kimg: got 0, wanted a number, more than 0"):
        _ = runner(tmp_path, 0).train_loop


@pytest.mark.parametrize("loader", [{}, dict(num_workers=2), dict(num_workers=2, persistent_workers=True)])
def test_resumed_run_continues_the_order_of_the_data(tmp_path, loader):
    whole = train(tmp_path / "whole", 0.06)
    train(tmp_path / "parts", 0.04)
    rest = train(tmp_path / "parts", 0.06, resume=True, loader=loader)
    assert rest.images_seen == 60
    assert rest.numbers == whole.numbers[40:]


def test_resumed_run_keeps_the_order_if_its_seed_differs(tmp_path):
    whole = train(tmp_path / "whole", 0.06)
    train(tmp_path / "parts", 0.04)
    rest = train(*(tmp_path / "parts", 0.06), resume=True, randomness=dict(seed=7))
    assert rest.numbers == whole.numbers[40:]


def test_resumed_run_does_not_draw_the_same_noise_again(tmp_path):
    first = train(tmp_path, 0.02)
    rest = train(tmp_path, 0.04, resume=True)
    assert not set(first.random) & set(rest.random)


def test_resumed_run_loads_nothing_twice(tmp_path):
    train(tmp_path, 0.04)
    Numbers.loaded = 0
    train(tmp_path, 0.06, resume=True)
    assert Numbers.loaded == 20


def test_resume_with_another_batch_size_goes_on_at_the_right_image(tmp_path):
    whole = train(tmp_path / "whole", 0.06)
    train(tmp_path / "parts", 0.04)
    continued = runner(tmp_path / "parts", 0.06, 10, resume=True)
    rest = continued.train()
    assert continued.train_loop is continued._train_loop
    assert continued.iter == continued.max_iters == 6
    assert continued.message_hub.get_info("iter") == 5
    assert rest.images_seen == 60
    assert rest.numbers == whole.numbers[40:]


def as_process(monkeypatch, rank: int, processes: int) -> None:
    """Let this process be one of several, for its sampler and for the loop."""
    monkeypatch.setattr("mmengine.dataset.sampler.get_dist_info", lambda: (rank, processes))
    monkeypatch.setattr("projects.threedgp.engine.train_loop.get_world_size", lambda: processes)


@pytest.mark.parametrize("processes, batch_size", [(2, 2), (4, 1)])
def test_resumed_with_more_processes_each_loads_its_own_images(tmp_path, monkeypatch, processes, batch_size):
    whole = train(tmp_path / "whole", 0.064)
    train(tmp_path / "parts", 0.04)
    each = []
    for rank in range(processes):
        as_process(monkeypatch, rank, processes)
        copy = shutil.copytree(tmp_path / "parts", tmp_path / f"rank{rank}")
        model = Notebook(processes=processes)
        each.append(train(copy, 0.064, batch_size, model=model, resume=True).numbers)
    assert [number for turn in zip(*each, strict=True) for number in turn] == whole.numbers[40:64]


@pytest.mark.parametrize("start_kimg, trained", [(None, 60), (0, 60), (0.02, 40), ("checkpoint", 20)])
def test_loaded_weights_begin_a_new_training_where_start_kimg_says(tmp_path, start_kimg, trained):
    whole = train(tmp_path / "whole", 0.06)
    train(tmp_path / "first", 0.04)
    config = dict(type="KimgTrainLoop", total_kimg=0.06, start_kimg=start_kimg)
    run = runner(tmp_path, 0.06, train_cfg=config, load_from=str(tmp_path / "first" / "iter_10.pth"))
    second = run.train()
    assert second.images_seen == 60 and run.iter == 15
    assert second.numbers == whole.numbers[60 - trained :]


@pytest.mark.parametrize("start_kimg", [-1, "checkpiont"])
def test_a_start_that_is_no_number_is_refused(tmp_path, start_kimg):
    config = dict(type="KimgTrainLoop", total_kimg=0.06, start_kimg=start_kimg)
    with pytest.raises(ValueError, match=rf"start_kimg: got {start_kimg!r}, wanted a number from 0 on"):
        _ = runner(tmp_path, 0.06, train_cfg=config).train_loop


def test_a_training_that_begins_at_its_end_is_refused(tmp_path):
    train(tmp_path / "first", 0.04)
    config = dict(type="KimgTrainLoop", total_kimg=0.04, start_kimg="checkpoint")
    with pytest.raises(ValueError, match=r"total_kimg: got 0.04, wanted more than the 0.04 kimg"):
        train(tmp_path, 0.04, train_cfg=config, load_from=str(tmp_path / "first" / "iter_10.pth"))


def test_a_model_that_does_not_count_is_refused(tmp_path):
    with pytest.raises(ValueError, match="Notebook without a buffer images_seen"):
        train(tmp_path, 0.02, model=Notebook(counts=False))


def test_skipping_a_long_run_takes_seconds():
    sampler = InfiniteSampler(range(100_000), seed=0)
    start = time.perf_counter()
    next(islice(sampler._infinite_indices(), 2_000_000, None))
    assert time.perf_counter() - start < 5


class Clock(Hook):
    """Takes down what the log shows as the remaining time."""

    def __init__(self):
        self.eta = []

    def after_train_iter(self, runner, *args, **kwargs):
        self.eta.append(runner.message_hub.get_info("eta"))


def test_remaining_time_is_that_of_the_remaining_images(tmp_path):
    train(tmp_path, 0.02)
    log = dict(by_epoch=False, window_size=1)
    run = runner(tmp_path, 0.04, resume=True, log_processor=log)
    clock = Clock()
    run.register_hook(clock)
    run.train()
    assert len(clock.eta) == 5 and clock.eta[-1] == 0 and all(eta > 0 for eta in clock.eta[:-1])
