r"""Map-free: from images to the table and the submission zip; the same as ``mickey-hloc benchmark mapfree``.

    python pipelines/mapfree/run.py DATASET --output outputs/mapfree --split val
    python pipelines/mapfree/run.py DATASET --output outputs/mapfree --split val --scenes s00460 s00461 \
        --feature sift --depth png:sensor --solver procrustes
"""

import sys

from mickey_hloc.cli import main

if __name__ == "__main__":
    sys.exit(main(["benchmark", "mapfree", *sys.argv[1:]]))
