"""What a real camera adds to a picture: exposure, white balance, contrast, vignetting, blur, noise, compression."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

Range = tuple[float, float]


@dataclass(frozen=True)
class AugmentOptions:
    """Ranges (low, high), drawn uniformly for each image.

    Attributes:
        exposure_stops: brightness, powers of two.
        gamma: exponent of the display values.
        white_balance: gains of red and blue are 1 plus or minus this.
        saturation: 0 = grey, 1 = unchanged.
        vignetting: darkening in the corners, share.
        blur_px: standard deviation of an out-of-focus blur at a width of 640 pixels.
        motion_px: length of a motion blur at a width of 640 pixels.
        noise: standard deviation of sensor noise at middle grey, in [0, 1].
        jpeg_quality: (low, high) in 1..100.
        share: probability that each of blur, motion blur and compression is applied.
    """

    exposure_stops: Range = (-0.8, 0.35)
    gamma: Range = (0.8, 1.25)
    white_balance: float = 0.15
    saturation: Range = (0.6, 1.2)
    vignetting: Range = (0.0, 0.3)
    blur_px: Range = (0.3, 1.3)
    motion_px: Range = (1.0, 5.0)
    noise: Range = (0.0, 0.03)
    jpeg_quality: tuple[int, int] = (40, 95)
    share: float = 0.35


def augment(image: np.ndarray, seed: int | tuple[int, ...], options: AugmentOptions | None = None) -> np.ndarray:
    """Degrade an image as a camera would; geometry stays as it is.

    Args:
        image: (H, W, 3) uint8 RGB.
        seed: the same seed gives the same image.
        options: ranges.

    Returns:
        (H, W, 3) uint8.

    Raises:
        ValueError: not a uint8 RGB image.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"image must be H x W x 3 uint8, got {image.dtype} {image.shape}")
    o = options or AugmentOptions()
    rng = np.random.default_rng(seed)
    height, width = image.shape[:2]
    x = _tone(_blur(image.astype(np.float32) / 255.0, rng, o), rng, o)
    level = rng.uniform(*o.noise)
    # Photon noise: its variance grows with the brightness; half of it stays in the dark, from the sensor.
    x += rng.standard_normal((height, width, 3), dtype=np.float32) * (level * np.sqrt(0.5 + x.clip(0.0, 1.0)))
    result = (x.clip(0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)
    if rng.random() < o.share:
        quality = int(rng.integers(o.jpeg_quality[0], o.jpeg_quality[1] + 1))
        _, data = cv2.imencode(".jpg", result, [cv2.IMWRITE_JPEG_QUALITY, quality])
        return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), dtype=np.uint8)
    return result


def _blur(x: np.ndarray, rng: np.random.Generator, o: AugmentOptions) -> np.ndarray:
    scale = x.shape[1] / 640.0
    if rng.random() < o.share:
        x = cv2.GaussianBlur(x, (0, 0), max(rng.uniform(*o.blur_px) * scale, 0.05))
    if rng.random() < o.share:
        length, angle = rng.uniform(*o.motion_px) * scale, rng.uniform(0.0, np.pi)
        kernel = np.zeros((9, 9), dtype=np.float32)
        for step in np.linspace(-0.5, 0.5, 25) * min(length, 7.0):
            _splat(kernel, 4.0 + step * np.cos(angle), 4.0 + step * np.sin(angle))
        x = cv2.filter2D(x, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REFLECT)
    return x


def _splat(kernel: np.ndarray, x: float, y: float) -> None:
    """Add one unit at a position between the kernel's cells."""
    i, j = int(x), int(y)
    for dj, wj in ((0, 1 - y + j), (1, y - j)):
        for di, wi in ((0, 1 - x + i), (1, x - i)):
            kernel[min(j + dj, 8), min(i + di, 8)] += wi * wj


def _tone(x: np.ndarray, rng: np.random.Generator, o: AugmentOptions) -> np.ndarray:
    height, width = x.shape[:2]
    gains = 2.0 ** rng.uniform(*o.exposure_stops) * np.array(
        [1 + rng.uniform(-o.white_balance, o.white_balance), 1.0, 1 + rng.uniform(-o.white_balance, o.white_balance)]
    )
    v, u = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    falloff = 1.0 - np.float32(0.5 * rng.uniform(*o.vignetting)) * (u * u + v * v)
    x = x * gains.astype(np.float32) * falloff[..., None]
    grey = x.mean(axis=2, keepdims=True)
    x = grey + np.float32(rng.uniform(*o.saturation)) * (x - grey)
    return np.power(np.clip(x, 0.0, None), np.float32(rng.uniform(*o.gamma)))
