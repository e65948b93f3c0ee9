"""The network: an image becomes metric keypoints, two images' keypoints become match probabilities.

- ``options``: the sizes and constants of a model; needs no torch.
- ``mickey``: the whole; ``encoder`` and ``encoders``: image to features; ``heads``: features to offsets, depths, scores
  and descriptors; ``matching`` and ``blockwise``: descriptors to matches.
- ``stored_constants``: what a features file keeps of a model; ``device``: where networks run.
- ``focal``: what a focal length other than the training's does to depth.
"""
