"""What the Python peers of bench/train.mjs share: steps timed after three that are not, and the line they print."""

import json
import time

WARMUP = 3


def report(step, workload, version):
    """Runs `step(index)` and prints images a second by the clock and by processor time, as one JSON line."""
    batch, steps = workload["batch"], workload["steps"]
    for index in range(WARMUP):
        step(index)
    started, cpu = time.perf_counter(), time.process_time()
    for index in range(steps):
        step(index)
    elapsed, cpu = time.perf_counter() - started, time.process_time() - cpu
    speeds = {"imagesPerSecond": steps * batch / elapsed, "imagesPerCpuSecond": steps * batch / cpu}
    print(json.dumps({**speeds, "version": version}))
