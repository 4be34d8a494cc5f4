"""Trivial trials of Optuna (TPE). Usage: optuna_trials.py TRIALS [STORAGE-ADDRESS]"""

import json
import sys
import time

import optuna

trials = int(sys.argv[1])
storage = sys.argv[2] if len(sys.argv) > 2 else None
optuna.logging.set_verbosity(optuna.logging.ERROR)
study = optuna.create_study(storage=storage)
began = time.perf_counter()
study.optimize(lambda trial: (trial.suggest_float("x", -10, 10) - 2) ** 2, n_trials=trials)
seconds = time.perf_counter() - began
assert len(study.trials) == trials
print(json.dumps({"version": f"Optuna {optuna.__version__}", "jobsPerSecond": trials / seconds}))
