"""MicKey metric keypoints as a citizen of hloc."""

__version__ = "0.1.0"
