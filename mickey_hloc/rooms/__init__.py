"""Procedural rooms of real-world size, from the scene to the image; their public face is ``datasets.synthetic``."""
