"""How long Aim takes to read curves from its own repository on this machine, as its explorer's server does.

Usage: aim_read.py FOLDER fill RUNS POINTS
       aim_read.py FOLDER read ROUNDS RUNS POINTS DENSITY     DENSITY: most points of a curve, all of them where 0
"""

import json
import os
import subprocess
import sys
import time
from importlib.metadata import version

from aim import Repo, Run

folder, mode = sys.argv[1:3]
if mode == "fill":
    runs, points = int(sys.argv[3]), int(sys.argv[4])
    for _ in range(runs):
        run = Run(repo=folder, system_tracking_interval=None, log_system_params=False, capture_terminal_logs=False)
        for step in range(1, points + 1):
            run.track(2 / step**0.5, name="train.loss", step=step)
        run.close()
    # Otherwise its server does this, in the background, some time later.
    program = os.path.join(os.path.dirname(sys.executable), "aim")
    subprocess.run([program, "storage", "--repo", folder, "reindex"], input=b"y\n", check=True, capture_output=True)
    answer = {}
else:
    rounds, runs, points, density = (int(value) for value in sys.argv[3:7])
    repo = Repo(folder)
    taken = []
    for _ in range(rounds + 1):
        started = time.perf_counter()
        curves, size = 0, 0
        for found in repo.query_metrics("metric.name == 'train.loss'", report_mode=0).iter_runs():
            for metric in found:
                if density == 0:
                    steps, values = metric.values.sparse_numpy()
                else:
                    steps, (values, *_) = metric.data.sample(density).numpy()
                if len(values) != (points if density == 0 else min(points, density)):
                    raise SystemExit(f"{len(values)} points of {points}")
                curves += 1
                size += steps.nbytes + values.nbytes
        if curves != runs:
            raise SystemExit(f"{curves} of {runs} curves")
        taken.append(1000 * (time.perf_counter() - started))
    answer = {"milliseconds": taken[1:], "bytes": size, "version": "Aim " + version("aim")}
print(json.dumps(answer), flush=True)
if mode == "read":
    os._exit(0)
