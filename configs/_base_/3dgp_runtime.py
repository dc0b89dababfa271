# Optimisers, length of training, logs, checkpoints and evaluation; intervals are in steps of a whole batch.
_base_ = ["mmagic::_base_/gen_default_runtime.py"]

# R1 is applied every 16th step: Adam is corrected for it (StyleGAN2, appendix B).
_lazy = 16 / 17
optim_wrapper = dict(
    constructor="MultiOptimWrapperConstructor",
    generator=dict(
        type="OptimWrapper",
        optimizer=dict(type="Adam", lr=0.0025, betas=(0.0, 0.99), eps=1e-8, fused=True),
    ),
    discriminator=dict(
        type="OptimWrapper",
        optimizer=dict(type="Adam", lr=0.002 * _lazy, betas=(0.0, 0.99**_lazy), eps=1e-8, fused=True),
    ),
)

train_cfg = dict(_delete_=True, type="KimgTrainLoop", total_kimg=25000, val_interval_kimg=200)
# Seconds that a process waits for the others before it gives up, and with it the training.
env_cfg = dict(dist_cfg=dict(timeout=1800))
randomness = dict(seed=0, diff_rank_seed=True)
log_processor = dict(type="LogProcessor", by_epoch=False, window_size=50)
default_hooks = dict(
    logger=dict(type="LoggerHook", interval=50, log_metric_by_epoch=False),
    checkpoint=dict(
        type="WholeCheckpointHook",
        interval=2000,
        by_epoch=False,
        max_keep_ckpts=5,
        save_best="FID/fid",
        rule="less",
        less_keys=None,
        greater_keys=None,
    ),
    evaluation=dict(type="EvaluationCheckHook"),
    divergence=dict(type="DivergenceHook"),
    preemption=dict(type="PreemptionHook"),
)
custom_hooks = [
    dict(type="LabelDistributionHook"),
    dict(type="ThroughputHook"),
    dict(type="SampleGridHook", interval=1000),
    dict(type="CameraHistogramHook", interval=1000),
]
vis_backends = [dict(type="LocalVisBackend"), dict(type="TensorboardVisBackend")]
visualizer = dict(_delete_=True, type="Visualizer", vis_backends=vis_backends)

# None downloads the Inception network; a path takes a TorchScript file, see the README ("Evaluate").
_inception = dict(inception_path=None)
_fid = dict(type="LocalFID", real_nums=-1, **_inception)
_is = dict(type="LocalInceptionScore", splits=10, **_inception)
_nfs = dict(type="NonFlatnessScore", fake_nums=256)

val_cfg, test_cfg = dict(type="SeededValLoop"), dict(type="SeededTestLoop")
val_evaluator = dict(metrics=[dict(**_fid, fake_nums=2048), _nfs])
test_evaluator = dict(metrics=[dict(**_fid, fake_nums=50000), dict(**_is, fake_nums=50000), _nfs])
