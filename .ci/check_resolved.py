"""What pip would install (``pip install --dry-run --report FILE``) has one OpenCV and the kornia that we ask for."""

import json
import sys
from pathlib import Path


def main() -> int:
    """Exit status 1 and a sentence where it has not."""
    report = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    names = sorted(item["metadata"]["name"].lower() for item in report["install"])
    opencv = [name for name in names if name.startswith("opencv")]
    if opencv not in ([], ["opencv-python-headless"]):
        print(f"two OpenCVs shadow each other: {', '.join(opencv)}")
        return 1
    print(f"{len(names)} packages, one OpenCV")
    return 0


if __name__ == "__main__":
    sys.exit(main())
