"""Metrics a second that an MLflow server takes: several clients, a run each, for some seconds.

Usage: mlflow_ingest.py URL one|batch SECONDS CLIENTS
"""

import json
import os
import random
import sys
import threading
import time

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"

import mlflow
from mlflow.entities import Metric
from mlflow.tracking import MlflowClient

url, mode, seconds, clients = sys.argv[1], sys.argv[2], float(sys.argv[3]), int(sys.argv[4])
series = ["train.loss", "train.gradientNorm", "train.learningRate", "train.imagesPerSecond"]
experiment = MlflowClient(url).create_experiment(f"{mode} {time.time()}")
stored = [0] * clients
start = threading.Barrier(clients + 1)


def train(index):
    client = MlflowClient(url)
    run = client.create_run(experiment).info.run_id
    step = 0
    start.wait()
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        if mode == "one":
            step += 1
            for name in series:
                client.log_metric(run, name, random.random(), step=step)
                stored[index] += 1
        else:
            metrics = []
            for _ in range(250):
                step += 1
                now = int(time.time() * 1000)
                metrics += [Metric(name, random.random(), now, step) for name in series]
            client.log_batch(run, metrics=metrics)
            stored[index] += len(metrics)


threads = [threading.Thread(target=train, args=(index,)) for index in range(clients)]
for thread in threads:
    thread.start()
start.wait()
started = time.perf_counter()
for thread in threads:
    thread.join()
elapsed = time.perf_counter() - started
print(json.dumps({"valuesPerSecond": sum(stored) / elapsed, "version": f"MLflow {mlflow.__version__}"}))
