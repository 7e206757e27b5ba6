package org.mobilekit.core

import org.junit.Assert.assertEquals
import org.junit.Assert.assertNull
import org.junit.Assert.assertTrue
import org.junit.Test
import java.time.Instant

class ReportTest {
    private val golden = Vectors.node("reports/android.json")

    /** The golden report's measurement, told by this module's own types. */
    private fun report(): Report {
        fun samples(stage: String) = golden["latency"][stage]["samples_ns"].items().map { it.long() }
        val latency = golden["latency"]
        val memory = golden["memory"]
        val course = ThermalCourse()
        for (sample in golden["thermal"]["samples"].items()) {
            course.add(sample["at_ms"].long(), Thermal.valueOf(sample["state"].text().uppercase()))
        }
        val measurement =
            Measurement(
                Plan(golden["protocol"]["warmup_runs"].int(), golden["protocol"]["runs"].int(), "bundled:upright"),
                golden["protocol"]["timer"].text(),
                latency["load_ns"].long(),
                latency["first_ns"].long(),
                latency["warmup_mean_ns"].double(),
                samples("inference"),
                samples("preprocess"),
                samples("postprocess"),
                samples("end_to_end"),
                memory.members().mapValues { it.value.double() },
                course,
                RuntimeFacts("litert", "0", "CompiledModel", listOf("gpu"), true, null, Delegate(120, 120, 1)),
            )
        val check = golden["verification"]
        return Report(
            Place("android", "device"),
            "golden",
            "0",
            DeviceFacts("Acme", "Phone 0", "SM0", "Android", "0"),
            ModelFacts(
                "golden",
                "float32",
                "model.tflite",
                golden["model"]["sha256"].text(),
                12345,
                golden["model"]["inputs"].items().map(TensorSpec::of),
                golden["model"]["outputs"].items().map(TensorSpec::of),
            ),
            measurement,
            Parity(check["reference_sha256"].text(), check["max_abs"].double(), 50.0, 1.0, true),
            id = golden["report_id"].text(),
            createdAt = Instant.parse(golden["created_at"].text()),
        )
    }

    @Test
    fun `the golden report is written again`() {
        val found = JsonNode.parse(report().text())
        same(golden, found)
    }

    private fun isDefault(node: JsonNode): Boolean = node.value == null || node.value == emptyList<Any>()

    /** All that the golden one says; what it leaves out or empty has a default. */
    private fun same(
        expected: JsonNode,
        found: JsonNode,
    ) {
        when (val value = expected.value) {
            is Map<*, *> -> {
                for ((key, member) in expected.members()) if (!isDefault(member)) same(member, found[key])
            }

            is List<*> -> {
                assertEquals(expected.path, value.size, found.items().size)
                expected.items().zip(found.items()).forEach { (one, other) -> same(one, other) }
            }

            is Double -> {
                assertEquals(expected.path, value, found.double(), 1e-9 * Math.abs(value))
            }

            else -> {
                assertEquals(expected.path, value, found.value)
            }
        }
    }

    @Test
    fun `keys are sorted`() {
        val keys =
            JsonNode
                .parse(report().text())
                .members()
                .keys
                .toList()
        assertEquals(keys.sorted(), keys)
    }

    @Test
    fun `whether all was accelerated is only said where it was recorded`() {
        val runtime = RuntimeFacts("litert", "0", "CompiledModel", listOf("gpu"), true, null)
        assertNull(runtime.fullyAccelerated)
        assertEquals(setOf("name", "version", "api", "requested", "strict"), runtime.toJson().keys)
        val gpu = listOf("gpu")
        assertEquals(
            false,
            RuntimeFacts("litert", "0", "CompiledModel", gpu, true, null, Delegate(3, 2, 2)).fullyAccelerated,
        )
    }

    @Test
    fun `each report has a name and a moment of its own`() {
        val one = report().copy(id = Report::class.java.name)
        assertTrue(Report::class.java.name in one.text())
        val fresh = report().run { Report(place, tool, toolVersion, device, model, measurement) }
        val root = JsonNode.parse(fresh.text())
        assertTrue(Regex("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}").matches(root["report_id"].text()))
        assertTrue(Regex("""\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z""").matches(root["created_at"].text()))
        assertNull(root.optional("verification"))
    }

    @Test
    fun `thermal words are the contract's`() {
        val words = Vectors.node("contract.json")["thermal"].items().map { it.text() }
        assertEquals(words, Thermal.entries.map { it.word })
        assertEquals(Thermal.SEVERE, Thermal.of(3))
        refused("found 7") { Thermal.of(7) }
    }
}
