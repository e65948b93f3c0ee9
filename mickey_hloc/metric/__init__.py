"""Metres for what has no scale: COLMAP and hloc models, lengths in them, and graphs of metric relative poses.

- ``depth_scale``: metres per unit of a model from any depth source, with what ``observations`` reads from the model,
  ``robust`` averages and ``resampling`` makes an interval of.
- ``lengths``, ``gps``: other evidence for the scale. ``evidence``: all of it together, and what contradicts.
- ``rewriting``: the model in metres, as functions on ``pycolmap.Reconstruction`` and as files.
- ``surface``, ``measuring``: the place of a pixel, lengths between places.
- ``pose_graph``, ``positions``: absolute poses from metric relative poses, without points. ``priors``: these in bundle
  adjustment.
"""
