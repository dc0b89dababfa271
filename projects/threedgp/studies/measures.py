"""The measures that studies share: columns of their tables."""

from .tables import Measure

FID = Measure("FID (toy classifier)/fid", "FID (toy classifier) ↓", 2)
IS = Measure("IS (toy classifier)/is", "IS (toy classifier) ↑", 2)
FLATNESS = Measure("NFS/nfs", "NFS ↑", 1)
DEPTH_ERROR = Measure("DepthAccuracy/ssi_rmse", "depth error ↓", 3)
WRONG_ORDER = Measure("DepthAccuracy/ordinal", "wrong order ↓", 3)
# In a class: together, classes that each stand in a place of their own can look like the true cameras.
YAW, PITCH, FOV = (
    Measure(f"CameraDistance/{name}_in_class", f"W1 {title} in a class ↓", digits)
    for name, title, digits in (("yaw", "yaw", 3), ("pitch", "pitch", 3), ("fov_deg", "fov", 2))
)
YAW_SPREAD = Measure("CameraDistance/yaw_std_in_class", "std of yaw in a class", 3)
VIEWS = Measure("MultiViewConsistency/psnr", "views, dB ↑", 1)
DIVERSITY = Measure("IntraClassDiversity/ratio", "diversity, real = 1", 2)
