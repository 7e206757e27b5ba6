package org.mobilekit.core

import org.junit.Assert.assertEquals
import org.junit.Test

class BenchmarkOrderTest {
    private val given =
        Vectors
            .node("contract.json")["arguments"]["android instrumentation"]
            .members()
            .mapValues { it.value.text() }

    @Test
    fun `the contract's example is understood whole`() {
        val asked = ArrayList<String>()
        val order =
            BenchmarkOrder.of { name ->
                asked.add(name)
                given[name]
            }
        assertEquals(given.keys - "class", asked.toSet())
        assertEquals(
            BenchmarkOrder(
                given.getValue("model"),
                "net",
                "float16",
                "model",
                "0".repeat(64),
                50,
                10,
                4,
                listOf("gpu"),
                "reports/1.json",
            ),
            order,
        )
        assertEquals("gpu", order.unit)
        assertEquals(Plan(10, 50, "random:seed=0"), order.plan())
    }

    private fun changed(vararg changes: Pair<String, String?>): BenchmarkOrder =
        BenchmarkOrder.of { (given + changes)[it] }

    @Test
    fun `empty arguments are not passed`() {
        val order = changed("variant" to null, "file" to null)
        assertEquals("", order.variant)
        assertEquals("model.tflite", order.file)
    }

    @Test
    fun `what makes no sense is refused`() {
        refused("expected an argument -e model") { changed("model" to null) }
        refused("-e runs many") { changed("runs" to "many") }
        refused("at least one run") { changed("runs" to "0") }
        refused("expected one of cpu, gpu, npu, found -e units cpu,gpu") { changed("units" to "cpu,gpu") }
        refused("found -e units ane") { changed("units" to "ane") }
        for (path in listOf("/sdcard/1.json", "files/../../1.json", "files/")) {
            refused("a path in the app's own files") { changed("report" to path) }
        }
    }
}
