package org.mobilekit.core

import org.junit.Assert.assertEquals
import org.junit.Assert.assertNull
import org.junit.Test

class StageTimesTest {
    @Test
    fun `figures are of the last frames with a face`() {
        val times = StageTimes(most = 3)
        assertNull(times.summary(Stage.INFERENCE))
        assertNull(times.total())
        val box = Box(0, 0, 1, 1)
        for (value in listOf(100L, 5L, 3L, 4L)) {
            times.add(FrameAnswer(box, mapOf(Stage.INFERENCE to value, Stage.DETECTION to 1L)))
            times.add(FrameAnswer(null, mapOf(Stage.DETECTION to 1000L)))
        }
        assertEquals(4L, times.summary(Stage.INFERENCE)!!.p50Ns)
        assertEquals(5L, times.summary(Stage.INFERENCE)!!.p90Ns)
        assertEquals(1L, times.summary(Stage.DETECTION)!!.maxNs)
        assertEquals(5L, times.total()!!.p50Ns)
        assertNull(times.summary(Stage.COLOURING))
    }
}
