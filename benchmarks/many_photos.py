"""Peak memory and seconds of a whole run on more photos than are held in memory: 40,000, or as many as given.

    benchmarks/many_photos.py [photos]

Writes JPEG files in two folders of classes, runs `gristmill run` on them in a folder of its own and prints what the
operating system counted by the end of each stage.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

GRISTMILL = str(Path(sys.executable).with_name("gristmill"))
SIDE = 160
PIPELINE = f"""
[defaults]
store = "store"

[pipelines.many]
domain = "vision"
source = {{ kind = "folder", path = "photos" }}
preprocess = {{ size = {SIDE}, validation = 0.05, test = 0.05 }}
model = {{ kind = "cnn", filters = [8], units = [8] }}
train = {{ epochs = 1 }}
export = {{ formats = ["saved_model"] }}
"""


def write_photos(folder: Path, count: int) -> None:
    """Write photos of smooth colours, warm or cold as their class says."""
    random = np.random.default_rng(0)
    for number in range(count):
        colours = random.integers(0, 200, (6, 6, 3), np.uint8)
        colours[..., 2 * (number % 2)] += 50
        place = folder / ("warm", "cold")[number % 2] / f"{number:06}.jpg"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(colours).resize((SIDE, SIDE), Image.Resampling.BILINEAR).save(place)


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 40_000
    with tempfile.TemporaryDirectory() as folder:
        write_photos(Path(folder, "photos"), count)
        Path(folder, "pipelines.toml").write_text(PIPELINE)
        store = Path(folder, "store")
        started = time.perf_counter()
        done = subprocess.run(
            [GRISTMILL, "-q", "run", "many", "--json"],
            cwd=folder,
            env=os.environ | {"GRISTMILL_STORE": str(store)},
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
        seconds = time.perf_counter() - started
        made = json.loads(done.stdout)
        print(f"{count:,} photos, {count * SIDE * SIDE * 3 / 2**30:.2f} GiB of pixels: {seconds:.0f} s in all")
        for stage, found in made["stages"].items():
            key = found["reference"]["key"]
            measures = json.loads((store / stage / key[:2] / key / "manifest.json").read_text())["measures"]
            print(f"{stage}: {measures['seconds']:.0f} s, peak {measures['peak_memory_mib']:,.0f} MiB of the process")
        print(f"test accuracy {made['scores']['model']['test']['accuracy']:.4f}")


if __name__ == "__main__":
    main()
