"""Files as `benchmark_model` writes them, made by protobuf itself."""

from typing import Any

from ai_edge_litert.profiling_info_pb2 import BenchmarkProfilingData
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

FLOAT, INT64, INT32, STRING, MESSAGE = 2, 3, 5, 9, 11
LATENCY = (
    "avg_ms", "min_ms", "max_ms", "stddev_ms", "median_ms", "p5_ms", "p95_ms", "init_ms", "first_inference_ms",
    "average_warm_up_ms",
)  # fmt: skip


def result_class() -> Any:
    """Return the message class of `benchmark_result.proto`."""
    file = descriptor_pb2.FileDescriptorProto(name="b.proto", package="b", syntax="proto2")
    latency = file.message_type.add(name="LatencyMetrics")
    for number, name in enumerate(LATENCY, 1):
        latency.field.add(name=name, number=number, type=FLOAT, label=1)
    memory = file.message_type.add(name="MemoryMetrics")
    for number, (name, kind) in enumerate(
        (("init_footprint_kb", INT64), ("overall_footprint_kb", INT64), ("peak_mem_mb", FLOAT)), 1
    ):
        memory.field.add(name=name, number=number, type=kind, label=1)
    misc = file.message_type.add(name="MiscMetrics")
    for number, (name, kind) in enumerate(
        (
            ("model_size_mb", FLOAT),
            ("num_runs", INT32),
            ("num_warmup_runs", INT32),
            ("throughput", FLOAT),
        ),
        1,
    ):
        misc.field.add(name=name, number=number, type=kind, label=1)
    whole = file.message_type.add(name="BenchmarkResult")
    whole.field.add(name="name", number=1, type=STRING, label=1)
    for number, (name, kind) in enumerate(
        (("latency", "LatencyMetrics"), ("memory", "MemoryMetrics"), ("misc", "MiscMetrics")), 2
    ):
        whole.field.add(name=name, number=number, type=MESSAGE, label=1, type_name=f".b.{kind}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("b.BenchmarkResult"))


def _result() -> bytes:
    made = result_class()(name="run")
    values = (3.5, 3.0, 5.0, 0.25, 3.25, 3.0, 4.5, 12.0, 9.0, 4.0)
    for name, value in zip(LATENCY, values, strict=True):
        setattr(made.latency, name, value)
    made.memory.init_footprint_kb = 2048
    made.memory.peak_mem_mb = 61.5
    made.misc.num_runs, made.misc.num_warmup_runs = 50, 10
    made.misc.model_size_mb = 1.5
    content: bytes = made.SerializeToString()
    return content


def _operators() -> bytes:
    made = BenchmarkProfilingData(model_name="m")
    graph = made.runtime_profile.subgraph_profiles.add(subgraph_index=0)
    for kind, name, total in (("TfLiteXNNPackDelegate", "d", 28), ("ADD", "add", 10)):
        operator = graph.per_op_profiles.add(node_type=kind, name=name, run_order=1)
        operator.inference_microseconds.sum, operator.inference_microseconds.count = total, 4
    delegate = made.runtime_profile.delegate_profiles.add(delegate_name="TfLiteXNNPackDelegate")
    inner = delegate.per_op_profiles.add(node_type="Convolution", name="conv", run_order=0)
    inner.inference_microseconds.avg = 7
    content: bytes = made.SerializeToString()
    return content


RESULT, OPERATORS = _result(), _operators()
