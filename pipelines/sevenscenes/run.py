r"""7-Scenes: queries against similar training images; the same as ``mickey-hloc benchmark sevenscenes``.

python pipelines/sevenscenes/run.py 7scenes --scenes chess --output outputs/7scenes --feature sift \
        --depth png:depth
"""

import sys

from mickey_hloc.cli import main

if __name__ == "__main__":
    sys.exit(main(["benchmark", "sevenscenes", *sys.argv[1:]]))
