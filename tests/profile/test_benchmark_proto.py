import struct

import pytest
from ai_edge_litert.profiling_info_pb2 import BenchmarkProfilingData
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from hypothesis import given
from hypothesis import strategies as st

from mobilekit.core.errors import ArtifactError
from mobilekit.profile.benchmark_proto import fields, read_operators, read_result
from tests.profile.protos import OPERATORS, RESULT, result_class


def test_the_result_is_decoded():
    found = read_result(RESULT, "x.pb")
    assert found.median_ms == pytest.approx(3.25)
    assert found.p95_ms == pytest.approx(4.5)
    assert (found.num_runs, found.num_warmup_runs) == (50, 10)
    assert found.peak_mem_mb == pytest.approx(61.5)


def test_unknown_fields_are_passed_over():
    message = result_class()()
    message.MergeFromString(RESULT)
    longer = message.SerializeToString() + bytes([0x7A, 2, 1, 2]) + bytes([0x78, 0x80, 0x01])
    assert read_result(longer, "x.pb") == read_result(RESULT, "x.pb")


@pytest.mark.parametrize(
    "content", [b"", b"\x12", b"\x12\xff", RESULT[:-3], b"\x0b", b"\xff" * 11, b"html"]
)
def test_what_is_no_result_is_refused(content: bytes):
    with pytest.raises(ArtifactError, match=r"^x\.pb: is no result of benchmark_model"):
        read_result(content, "x.pb")


@given(st.lists(st.tuples(st.integers(1, 2000), st.integers(0, 2**63 - 1)), max_size=10))
def test_numbers_of_any_size_are_read_as_protobuf_writes_them(pairs: list[tuple[int, int]]):
    file = descriptor_pb2.FileDescriptorProto(name="n.proto", syntax="proto2")
    message = file.message_type.add(name="N")
    for number in dict.fromkeys(number for number, _ in pairs):
        message.field.add(name=f"f{number}", number=number, type=4, label=1)  # uint64, optional
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    made = message_factory.GetMessageClass(pool.FindMessageTypeByName("N"))()
    for number, value in pairs:
        setattr(made, f"f{number}", value)
    assert sorted(fields(made.SerializeToString())) == sorted(dict(pairs).items())


def test_fixed_sizes():
    content = b"\x0d" + struct.pack("<f", 1.5) + b"\x11" + struct.pack("<d", 2.5)
    assert list(fields(content)) == [(1, 1.5), (2, 2.5)]


def test_operators_count_once_and_stand_where_they_ran():
    found = read_operators(OPERATORS, "o.pb")
    assert [(one.type, one.device) for one in found] == [("ADD", "cpu"), ("Convolution", "cpu")]
    assert found[0].mean_ns == 2500.0  # 10 µs in 4 calls
    assert found[1].mean_ns == 7000.0
    assert [one.index for one in found] == [0, 1]


def test_a_gpu_delegate_s_operators_are_on_the_gpu():
    profile = BenchmarkProfilingData.FromString(OPERATORS)
    profile.runtime_profile.delegate_profiles[0].delegate_name = "TfLiteGpuDelegateV2"
    found = read_operators(profile.SerializeToString(), "o.pb")
    assert [one.device for one in found if one.type == "Convolution"] == ["gpu"]


def test_damaged_operators_are_refused():
    with pytest.raises(ArtifactError, match=r"^o\.pb: is no operator profile"):
        read_operators(OPERATORS[:-2], "o.pb")
