"""Files of the field, read strictly, written whole or not at all: features, matches, poses, cameras, images, zips.

Conventions (pixel centres, quaternions, frames of poses) change here and nowhere else.
"""
