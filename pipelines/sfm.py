r"""A folder of images becomes a COLMAP model, through hloc; the same as ``mickey-hloc sfm``.

python pipelines/sfm.py images --output outputs/sfm --feature mickey
"""

import sys

from mickey_hloc.cli import main

if __name__ == "__main__":
    sys.exit(main(["sfm", *sys.argv[1:]]))
