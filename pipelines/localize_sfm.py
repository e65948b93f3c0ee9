r"""Queries against the points of a COLMAP model, through hloc; the same as ``mickey-hloc localize-sfm``.

    python pipelines/localize_sfm.py datasets/house --map-model datasets/house/sfm \
        --queries datasets/house/queries.txt --output outputs/house --feature mickey
"""

import sys

from mickey_hloc.cli import main

if __name__ == "__main__":
    sys.exit(main(["localize-sfm", *sys.argv[1:]]))
