"""Labels as the toolkit's class-conditional GANs need them."""

from mmagic.models.data_preprocessors import DataPreprocessor
from mmagic.registry import MODELS


@MODELS.register_module()
class FlatLabelPreprocessor(DataPreprocessor):
    """The toolkit's preprocessor, which hands labels (n,) to training.

    The toolkit stacks them as (n, 1), and draws those of generated images as (n,). Its projection
    discriminators broadcast the former to n x n logits, without a word.
    """

    def forward(self, data: dict, training: bool = False) -> dict:
        """Preprocess a batch.

        Args:
            data: Batch of the dataloader.
            training: Whether it is for training.
        """
        data = super().forward(data, training)
        samples = data["data_samples"]
        if training and samples is not None and "gt_label" in samples:
            samples.set_gt_label(samples.gt_label.label.reshape(-1))
        return data
