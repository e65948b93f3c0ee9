"""A folder of images becomes a COLMAP model, with any feature and matcher of hloc or ours.

    python pipelines/sfm.py datasets/sacre_coeur/mapping --outputs outputs/sacre_coeur
    python pipelines/sfm.py my_walk --outputs outputs/my_walk --feature disk --matcher disk+lightglue --pairs sequential
    python pipelines/sfm.py my_house --outputs outputs/my_house --matcher vismatch-roma --pairs netvlad

The steps are in ``mickey_hloc/commands/sfm.py``; ``mickey-hloc sfm`` is the same.
"""

import sys

from mickey_hloc import cli

if __name__ == "__main__":
    sys.exit(cli.main(["sfm", *sys.argv[1:]]))
