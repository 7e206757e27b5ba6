from mobilekit.core.reports import DelegationReport, LatencyReport, OperatorTime
from mobilekit.profile.tables import latency_table


def test_a_table_has_the_model_and_its_operators():
    report = LatencyReport("m.tflite", "tflite", "LiteRT", "cpu", 1, 1, (5, 7), 0.0)
    operators = (
        OperatorTime("0:ADD 0", "Add", True, (3000, 0), ((1, 2), (1, 2)), "int8"),
        OperatorTime("1:MUL 1", "Mul", True, (0, 0), ((1, 2),), "int8"),
    )
    profile = DelegationReport("XNNPACK", operators, 2, (), 0.0)
    table = latency_table(
        [report], {"m.tflite": profile}, {"m.tflite": "float16"}, {"m.tflite": ((1, 3),)}
    )
    assert [(row.operator, row.samples_ns) for row in table.rows] == [
        ("model", (5, 7)),
        ("Add", (3000, 0)),
    ]
    assert table.rows[0].shapes == ((1, 3),)
    assert [row.dtype for row in table.rows] == ["float16", "int8"]
    assert table.rows[1].shapes == ((1, 2), (1, 2))
    assert table.rows[1].name == "m.tflite:0:ADD 0"
