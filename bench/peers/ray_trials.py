"""Trivial trials of Ray Tune, two at a time. Usage: ray_trials.py TRIALS reuse|new"""

import json
import logging
import sys
import tempfile
import time

began = time.perf_counter()
import ray
from ray import tune

trials, reuse = int(sys.argv[1]), sys.argv[2] == "reuse"


class Trivial(tune.Trainable):
    def setup(self, config):
        pass

    def step(self):
        return {"score": 1.0, "done": True}

    def reset_config(self, new_config):
        return True

    def save_checkpoint(self, folder):
        pass

    def load_checkpoint(self, folder):
        pass


folder = tempfile.TemporaryDirectory(prefix="ray-bench-")
ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
started = time.perf_counter()
tuner = tune.Tuner(
    Trivial,
    param_space={"x": tune.grid_search(list(range(trials)))},
    tune_config=tune.TuneConfig(max_concurrent_trials=2, reuse_actors=reuse),
    run_config=tune.RunConfig(
        storage_path=folder.name,
        verbose=0,
        checkpoint_config=tune.CheckpointConfig(checkpoint_frequency=0, checkpoint_at_end=False),
    ),
)
results = tuner.fit()
seconds = time.perf_counter() - started
assert len(results) == trials and results.num_errors == 0
print(json.dumps({"version": f"Ray Tune {ray.__version__}", "initSeconds": started - began, "jobsPerSecond": trials / seconds}))
