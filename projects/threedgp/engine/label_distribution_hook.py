"""Tells the model how frequent each class is in its data."""

import torch
from mmagic.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ..training.state_dicts import unwrap
from ..training.threedgp import ThreeDGP


@HOOKS.register_module()
class LabelDistributionHook(Hook):
    """Copies the data's class frequencies into the model's buffer ``label_distribution``.

    Generated classes are drawn from it, in training and, since checkpoints carry it, in evaluation.
    """

    priority = "HIGH"

    def before_train(self, runner: Runner) -> None:
        """Copy the frequencies; do nothing for a model without classes, or that draws them in its own way.

        Args:
            runner: The runner.

        Raises:
            ValueError: If data and model differ in their number of classes.
            TypeError: If the dataset does not know its frequencies.
        """
        model: ThreeDGP = unwrap(runner.model)
        if not getattr(model, "num_classes", None) or not hasattr(model, "label_distribution"):
            return
        dataset = runner.train_dataloader.dataset
        if not hasattr(dataset, "label_distribution"):
            raise TypeError(
                f"train_dataloader.dataset: got {type(dataset).__name__}, wanted a dataset with "
                "label_distribution(), such as ImageDepthDataset"
            )
        shares = torch.as_tensor(dataset.label_distribution())
        if len(shares) != model.num_classes:
            raise ValueError(
                f"num_classes: the dataset has {len(shares)}, model.num_classes is "
                f"{model.num_classes}, wanted the same number"
            )
        model.label_distribution.copy_(shares)
