"""How a network is executed; only the model's child process imports this room."""

import sys

# Importing openvino would otherwise start a process that reports the import to its maker over the
# network (openvino_telemetry). A node in a hospital reports to nobody.
sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
