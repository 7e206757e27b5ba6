package org.mobilekit.core

import org.junit.Assert.assertEquals
import org.junit.Test

class StatisticsTest {
    @Test
    fun `every shared vector`() {
        for (case in Vectors.cases("statistics.json")) {
            val found = summarize(case["samples_ns"].items().map { it.long() }).toJson()
            val expected = case["summary"].members()
            assertEquals(expected.keys, found.keys)
            for ((name, value) in expected) check(case["name"].text(), name, value, found[name])
        }
    }

    private fun check(
        case: String,
        name: String,
        expected: JsonNode,
        found: Any?,
    ) {
        if (found is Double) {
            val wanted = expected.double()
            assertEquals("$case: $name", wanted, found, 1e-6 * maxOf(1.0, Math.abs(wanted)))
        } else {
            assertEquals("$case: $name", expected.long(), (found as Number).toLong())
        }
    }

    @Test
    fun `no samples have no statistics`() = refused("at least one sample") { summarize(emptyList()) }
}
