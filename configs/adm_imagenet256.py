# The toolkit's ADM at 256 x 256 (with classifier guidance, the paper's row), evaluated as 3DGP is.
#   python tools/test.py configs/adm_imagenet256.py CHECKPOINT --data-root data/imagenet/train
# CHECKPOINT: the toolkit's weights (docs/systems/twod.md). Without guidance: model.classifier=None.
# The toolkit's config would compare with reals of 64 x 64, and its model's samples are no images in [0, 255].
_base_ = "mmagic::guided_diffusion/adm-g_ddim25_8xb32_imagenet-256x256.py"

custom_imports = dict(imports=["projects.threedgp"], allow_failed_imports=False)
data_root = "data/imagenet/train"
# The file is called ddim25; ADM's published numbers are of 250 steps.
model = dict(type="LabelledADM", num_inference_steps=250, classifier_scale=1.0)

test_dataloader = dict(
    _delete_=True,
    batch_size=8,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=False),
    collate_fn=dict(type="pseudo_collate"),
    dataset=dict(
        type="ImageDepthDataset",
        data_root=data_root,
        resolution=256,
        use_depth=False,
        pipeline=[dict(type="LoadImage", key="gt"), dict(type="FitSquare"), dict(type="PackInputs")],
        test_mode=True,
    ),
)
_metric = dict(fake_nums=50000, inception_path=None, sample_model="orig")
test_cfg = dict(type="SeededTestLoop")
test_evaluator = dict(
    metrics=[
        dict(type="LocalFID", real_nums=-1, **_metric),
        dict(type="LocalInceptionScore", splits=10, **_metric),
    ]
)

# The toolkit's training step cannot run (it asks for parts that the model has not): this config evaluates.
train_cfg = train_dataloader = optim_wrapper = None
val_cfg = val_dataloader = val_evaluator = None
custom_hooks = []
default_hooks = dict(checkpoint=dict(type="WholeCheckpointHook"))
randomness = dict(seed=0)
