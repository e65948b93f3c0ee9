"""Encoders besides DINOv2; the table of names is ``mickey_hloc.model.encoder.ENCODERS``."""
