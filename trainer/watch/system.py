"""System metrics of the machine of rank 0: MLflow's own monitor, in a thread."""

from __future__ import annotations

import logging
from typing import Any

from chronav.tracking import Run

_EVERY_S = 10.0


class SystemMetrics:
    """Processor, memory, disk, network and (with `nvidia-ml-py`) GPUs, as `system/…`, every ten seconds.

    Steps of these metrics are samples, not training steps; a continued run goes on counting.
    """

    def __init__(self, run: Run, every_s: float = _EVERY_S) -> None:
        self._run, self._every_s = run, every_s
        self._monitor: Any = None

    def start(self) -> None:
        """Begin; `MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL` overrides the interval."""
        from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

        logging.getLogger("mlflow.system_metrics").setLevel(logging.ERROR)
        self._monitor = SystemMetricsMonitor(
            self._run.run_id,
            sampling_interval=self._every_s,
            resume_logging=True,
            tracking_uri=self._run.uri,
        )
        self._monitor.start()

    def stop(self) -> None:
        """End, and write what has not been written."""
        if self._monitor is not None:
            self._monitor.finish()
            self._monitor = None
