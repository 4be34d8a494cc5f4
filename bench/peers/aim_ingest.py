"""Values a second that Aim's local tracking takes, one run for some seconds.

Usage: aim_ingest.py SECONDS
"""

import json
import os
import random
import shutil
import sys
import tempfile
import time
from importlib.metadata import version

from aim import Run

seconds = float(sys.argv[1])
series = ["train.loss", "train.gradientNorm", "train.learningRate", "train.imagesPerSecond"]
folder = tempfile.mkdtemp(prefix="ferment-aim-")
run = Run(repo=folder, system_tracking_interval=None, log_system_params=False, capture_terminal_logs=False)
stored = step = 0
started = time.perf_counter()
while time.perf_counter() < started + seconds:
    step += 1
    for name in series:
        run.track(random.random(), name=name, step=step)
        stored += 1
# What is tracked goes through a queue: it counts when it is written.
run.close()
elapsed = time.perf_counter() - started
print(json.dumps({"valuesPerSecond": stored / elapsed, "version": "Aim " + version("aim")}), flush=True)
shutil.rmtree(folder, ignore_errors=True)
# Its threads would wait for the folder that is gone.
os._exit(0)
