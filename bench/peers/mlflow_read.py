"""How long an MLflow server takes to answer what a page of curves and a table ask for, and how much it sends.

Usage: mlflow_read.py URL fill RUNS POINTS     makes runs with ten metrics each and one run with a long curve; says its id
       mlflow_read.py URL read ROUNDS EXPERIMENT RUN POINTS
"""

import json
import os
import sys
import time

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"

import mlflow
import requests
from mlflow.entities import Metric
from mlflow.tracking import MlflowClient

url, mode = sys.argv[1:3]
if mode == "fill":
    runs, points = int(sys.argv[3]), int(sys.argv[4])
    client = MlflowClient(url)
    experiment = client.create_experiment(f"read {time.time()}")
    for _ in range(runs):
        run = client.create_run(experiment).info.run_id
        client.log_batch(run, metrics=[Metric(f"validation.{at}", at / 7, 1, 1) for at in range(10)])
    long = client.create_run(experiment).info.run_id
    for start in range(1, points + 1, 1000):
        steps = range(start, min(start + 1000, points + 1))
        client.log_batch(long, metrics=[Metric("train.loss", 2 / step**0.5, step, step) for step in steps])
    answer = {"experiment": experiment, "run": long}
else:
    rounds, experiment, run, points = int(sys.argv[3]), sys.argv[4], sys.argv[5], int(sys.argv[6])
    session = requests.Session()

    def timed(ask):
        taken = []
        for _ in range(rounds + 1):
            started = time.perf_counter()
            size = ask()
            taken.append(1000 * (time.perf_counter() - started))
        # The first warms the server up.
        return {"milliseconds": taken[1:], "bytes": size}

    def search():
        body = {"experiment_ids": [experiment], "max_results": 500}
        answer = session.post(f"{url}/api/2.0/mlflow/runs/search", json=body)
        answer.raise_for_status()
        return len(answer.content)

    def whole():
        size, token, seen = 0, None, 0
        while seen < points:
            query = {"run_id": run, "metric_key": "train.loss", "max_results": 25_000}
            if token:
                query["page_token"] = token
            answer = session.get(f"{url}/api/2.0/mlflow/metrics/get-history", params=query)
            answer.raise_for_status()
            size += len(answer.content)
            told = answer.json()
            seen += len(told.get("metrics", []))
            token = told.get("next_page_token")
            if not token:
                break
        if seen != points:
            raise SystemExit(f"{seen} of {points} points")
        return size

    def sampled():
        query = {"run_ids": run, "metric_key": "train.loss", "max_results": 320}
        answer = session.get(f"{url}/ajax-api/2.0/mlflow/metrics/get-history-bulk-interval", params=query)
        answer.raise_for_status()
        return len(answer.content)

    answer = {
        "search": timed(search),
        "whole": timed(whole),
        "sampled": timed(sampled),
        "version": f"MLflow {mlflow.__version__}",
    }
print(json.dumps(answer))
