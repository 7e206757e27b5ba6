package org.mobilekit.core

import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertNull
import org.junit.Assert.assertTrue
import org.junit.Test

class WordsTest {
    private val gpu = RuntimeFacts("litert", "0", "CompiledModel", listOf("gpu"), true, null, Delegate(12, 10, 2))

    private fun report(
        stages: List<Long>,
        memory: Map<String, Any?>,
        heat: ThermalCourse,
        parity: Parity?,
    ): Report {
        val runs = List(100) { (it + 1) * 100_000L }
        val warmup = if (stages.isEmpty()) null else 3_000_000.0
        val measurement =
            Measurement(
                Plan(7, 100, "x"),
                "t",
                5_000_000,
                2_000_000,
                warmup,
                runs,
                stages,
                stages,
                stages,
                memory,
                heat,
                gpu,
            )
        val model = ModelFacts("net", "float32", "model.tflite", "", 0)
        return Report(Place("android", "device"), "t", "0", DeviceFacts("", "", "", "", ""), model, measurement, parity)
    }

    @Test
    fun `times of stages`() {
        val times = StageTimes()
        times.add(FrameAnswer(Box(0, 0, 1, 1), mapOf(Stage.INFERENCE to 12_340_000L, Stage.COLOURING to 1_000_000L)))
        val rows = Words.of(times).toMap()
        assertEquals(
            listOf("stage", "detection", "preprocessing", "inference", "colouring", "total"),
            rows.keys.toList(),
        )
        assertEquals(
            listOf("p50, p90", "–", "–", "12.3 ms, 12.3 ms", "1.0 ms, 1.0 ms", "13.3 ms, 13.3 ms"),
            rows.values.toList(),
        )
    }

    @Test
    fun `a report`() {
        val course = ThermalCourse().apply { add(0, Thermal.LIGHT) }
        val parity = Parity("", 0.00123, 45.67, 0.999, true)
        val full = Words.of(report(listOf(4_000_000), mapOf("peak_mb" to 12.5), course, parity))
        assertEquals("warm-up, mean of 7", full[2].first)
        assertEquals(
            listOf(
                "5.0 ms",
                "2.0 ms",
                "3.0 ms",
                "5.0 ms",
                "9.0 ms",
                "9.9 ms",
                "4.0 ms",
                "4.0 ms",
                "4.0 ms",
                "12.5 MB",
                "light",
            ),
            full.map { it.second }.take(11),
        )
        assertEquals("equal to the network" to Words.of(parity), full[11])
        assertEquals(Words.of(gpu), full.drop(12))
        val bare = Words.of(report(emptyList(), emptyMap(), ThermalCourse(), null)).map { it.second }
        assertEquals(List(7) { "–" }, listOf(bare[2]) + bare.subList(6, 12))
    }

    @Test
    fun `a comparison`() {
        assertEquals(
            "yes, 45.7 dB, at most 0.00123 apart, same class at 0.9990",
            Words.of(Parity("", 0.00123, 45.67, 0.999, true)),
        )
        assertEquals("NO, 3.0 dB, at most 1.00 apart", Words.of(Parity("", 1.0, 3.0, null, false)))
    }

    @Test
    fun `a score and a class`() {
        assertEquals(listOf("forged" to "0.250"), Words.of(FrameAnswer(null, emptyMap(), forgery = 0.25)))
        assertEquals(listOf("class" to "dog"), Words.of(FrameAnswer(null, emptyMap(), label = "dog")))
        assertEquals(emptyList<Pair<String, String>>(), Words.of(FrameAnswer(null, emptyMap())))
    }

    @Test
    fun `where a model ran`() {
        assertEquals(listOf("gpu alone", "10 of 12, 2 parts"), Words.of(gpu).map { it.second })
        val other = RuntimeFacts("litert", "0", "CompiledModel", listOf("npu"), false, null)
        assertEquals(listOf("npu or the CPU", "not said"), Words.of(other).map { it.second })
    }

    @Test
    fun `units and emulators`() {
        assertTrue(Units.isStrict("gpu"))
        assertFalse(Units.isStrict("npu"))
        assertNull(Units.proven("gpu", null))
        val some = Delegate(3, 2, 2)
        assertEquals(some, Units.proven("npu", some))
        refused("nothing shows that the NPU took a part") { Units.proven("npu", null) }
        assertEquals("simulator", Units.kindOf("ranchu"))
        assertEquals("device", Units.kindOf("qcom"))
    }
}
