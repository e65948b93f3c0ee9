r"""ScanNet-1500, or any list of pairs in SuperGlue's format; the same as ``mickey-hloc benchmark scannet``.

    python pipelines/scannet/run.py --pairs scannet_test_pairs_with_gt.txt --images scannet_test_1500 \
        --output outputs/scannet --matcher vismatch-roma --depth npz:planercnn.npz
"""

import sys

from mickey_hloc.cli import main

if __name__ == "__main__":
    sys.exit(main(["benchmark", "scannet", *sys.argv[1:]]))
