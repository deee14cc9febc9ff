"""Names and weights of the training losses, and the smallest frame that each can be computed on.

No torch import: the plan of a condition checks them. `bench.inr.network.losses` computes the losses.
"""

from __future__ import annotations

#: Name -> weights of (L1, L2, 1 - SSIM, 1 - MS-SSIM). These are the official scripts' names; FFNeRV, NeRV,
#: E-NeRV and HNeRV share them, `Fusion10-win5` is HiNeRV's.
CATALOGUE: dict[str, tuple[float, float, float, float]] = {
    "L1": (1, 0, 0, 0),
    "L2": (0, 1, 0, 0),
    "SSIM": (0, 0, 1, 0),
    "Fusion1": (0, 0.3, 0.7, 0),
    "Fusion2": (0.3, 0, 0.7, 0),
    "Fusion3": (0, 0.5, 0.5, 0),
    "Fusion4": (0.5, 0, 0.5, 0),
    "Fusion5": (0, 0.7, 0.3, 0),
    "Fusion6": (0.7, 0, 0.3, 0),
    "Fusion7": (0.3, 0.7, 0, 0),
    "Fusion8": (0.5, 0.5, 0, 0),
    "Fusion9": (0.9, 0, 0.1, 0),
    "Fusion10": (0.7, 0, 0, 0.3),
    "Fusion11": (0.9, 0, 0, 0.1),
    "Fusion12": (0.8, 0, 0, 0.2),
    "Fusion10-win5": (0.7, 0, 0, 0.3),
}

#: Colour spaces of a fit: RGB, or the planes of YUV 4:2:0 (`bench.inr.network.planes`).
SPACES = ("rgb", "yuv420")

#: Taps of the Gaussian window of SSIM and MS-SSIM; HiNeRV has a smaller one for small patches.
SSIM_TAPS = 11
_MS_SSIM_TAPS = {"Fusion10-win5": 5}
#: MS-SSIM averages five scales, each half the size of the one before (Wang et al. 2003).
_MS_SSIM_SCALES = 5


def loss_in(space: str, name: str) -> str:
    """Name of a loss in a colour space: `NAME` in RGB, `yuv420:NAME` in YUV 4:2:0."""
    return name if space == "rgb" else f"{space}:{name}"


def ms_ssim_taps(name: str) -> int:
    """Taps of the window of a loss's MS-SSIM term."""
    return _MS_SSIM_TAPS.get(name, SSIM_TAPS)


def smallest_side(name: str) -> int:
    """Smallest side in pixels of a frame or patch that loss `name` can be computed on.

    SSIM needs one full window. MS-SSIM needs more than (taps - 1) * 2^4 pixels, so that the window fits
    into the coarsest of its five scales.

    Raises:
        ValueError: `name` is not in `CATALOGUE`.
    """
    if name not in CATALOGUE:
        raise ValueError(f"loss: unknown name {name!r}; the losses are {', '.join(CATALOGUE)}")
    _, _, ssim, ms_ssim = CATALOGUE[name]
    if ms_ssim:
        return (ms_ssim_taps(name) - 1) * 2 ** (_MS_SSIM_SCALES - 1) + 1
    return SSIM_TAPS if ssim else 1
