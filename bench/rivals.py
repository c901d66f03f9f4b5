"""The rivals of inference: ONNX Runtime and OpenVINO, each with a network in an ONNX file.

A side is made in a process of its own, which holds nothing but the rival. Both compute in float32:
left alone, OpenVINO takes bfloat16 where the processor has it.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from . import harness, subjects


class OnnxRuntime:
    """Predictions by ONNX Runtime.

    Parameters
    ----------
    path : str
        The ONNX file, of fixed shapes.
    name : str
        Of the network in `subjects`, for its input.
    batch, threads : int
        Rows of the batch; threads of a run.
    """

    def __init__(self, path: str, name: str, batch: int, threads: int) -> None:
        self.path, self.threads = path, threads
        self.session = self._session()
        names = [entry.name for entry in self.session.get_inputs()]
        self.feed = dict(zip(names, subjects.rows(name, batch), strict=True))

    def _session(self, profile: str = "") -> Any:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = self.threads, 1
        options.log_severity_level = 3  # errors; nobody asks how its file could be smaller
        if profile:
            options.enable_profiling, options.profile_file_prefix = True, profile
        return onnxruntime.InferenceSession(self.path, options, ["CPUExecutionProvider"])

    def step(self) -> None:
        """Predict."""
        self.result = self.session.run(None, self.feed)

    @property
    def output(self) -> Any:
        """Give the logits."""
        return np.array(self.session.run(None, self.feed)[0])

    @property
    def profile(self) -> list[tuple[str, float]]:
        """Give the best seconds of each node, as ONNX Runtime itself tells them."""
        with tempfile.TemporaryDirectory() as folder:
            session = self._session(os.path.join(folder, "run"))
            for _ in range(harness.PROFILED):
                session.run(None, self.feed)
            events = json.loads(Path(session.end_profiling()).read_text())
        found: dict[str, float] = {}
        for event in events:
            if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
                label = f"{event['args'].get('op_name', '')} {event['name'][:-12]}"
                found[label] = min(found.get(label, np.inf), event["dur"] * 1e-6)
        return list(found.items())


class OpenVino:
    """Predictions by OpenVINO; parameters as of `OnnxRuntime`."""

    def __init__(self, path: str, name: str, batch: int, threads: int) -> None:
        self.path, self.threads = path, threads
        self.request = self._request()
        self.feed = dict(enumerate(subjects.rows(name, batch)))

    def _request(self, **settings: Any) -> Any:
        import openvino

        settings |= {
            "INFERENCE_NUM_THREADS": self.threads,
            "INFERENCE_PRECISION_HINT": "f32",
            "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": 1,
        }
        return openvino.Core().compile_model(self.path, "CPU", settings).create_infer_request()

    def step(self) -> None:
        """Predict."""
        self.result = self.request.infer(self.feed, share_inputs=True, share_outputs=True)

    @property
    def output(self) -> Any:
        """Give the logits."""
        return np.array(self.request.infer(self.feed)[0])

    @property
    def profile(self) -> list[tuple[str, float]]:
        """Give the best seconds of each node, as OpenVINO itself tells them."""
        request = self._request(PERF_COUNT=True)
        found: dict[str, float] = {}
        for _ in range(harness.PROFILED):
            request.infer(self.feed)
            for node in request.get_profiling_info():
                label = f"{node.node_type} {node.node_name} {node.exec_type}"
                seconds = node.real_time.total_seconds()
                if seconds:
                    found[label] = min(found.get(label, np.inf), seconds)
        return list(found.items())


RIVALS = {"ONNX Runtime": OnnxRuntime, "OpenVINO": OpenVino}
