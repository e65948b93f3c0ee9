r"""Methods x depth sources x solvers in one table; the same as ``mickey-hloc benchmark grid``.

    python pipelines/ablation/run.py configs/ablation/redkitchen.yaml --dataset DATASET --output outputs/redkitchen
    python pipelines/ablation/run.py configs/ablation/table2.yaml --pairs scannet_test_pairs_with_gt.txt \
        --images scannet_test_1500 --output outputs/table2 --jobs 4
"""

import sys

from mickey_hloc.cli import main

if __name__ == "__main__":
    sys.exit(main(["benchmark", "grid", *sys.argv[1:]]))
