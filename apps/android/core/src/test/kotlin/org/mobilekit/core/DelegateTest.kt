package org.mobilekit.core

import org.junit.Assert.assertEquals
import org.junit.Assert.assertNull
import org.junit.Test

class DelegateTest {
    private fun line(
        part: String,
        delegate: String,
        partitions: Int,
    ) =
        "I tflite: Replacing $part node(s) with delegate ($delegate) node, yielding $partitions partitions for subgraph 0 (main)."

    @Test
    fun `what LiteRT logged is read`() {
        val log = listOf("something else", line("120 out of 123", "LITERT_CL", 3))
        assertEquals(Delegate(123, 120, 3), Delegate.fromLog(log, "gpu"))
        assertEquals(
            mapOf("nodes" to 123, "delegated" to 120, "partitions" to 3),
            Delegate.fromLog(log, "gpu")!!.toJson(),
        )
    }

    @Test
    fun `delegates of other units do not count`() {
        val log = listOf(line("10 out of 12", "TfLiteXNNPackDelegate", 2))
        assertNull(Delegate.fromLog(log, "gpu"))
        assertNull(Delegate.fromLog(log, "ane"))
        assertEquals(Delegate(12, 10, 2), Delegate.fromLog(log, "cpu"))
        assertNull(Delegate.fromLog(emptyList(), "cpu"))
    }

    @Test
    fun `parts of several delegates are one unit's`() {
        val log = listOf(line("8 out of 12", "DispatchDelegate", 4), line("2 out of 5", "DispatchDelegate", 3))
        assertEquals(Delegate(12, 10, 3), Delegate.fromLog(log, "npu"))
    }
}
