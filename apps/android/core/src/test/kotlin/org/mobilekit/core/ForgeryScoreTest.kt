package org.mobilekit.core

import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertTrue
import org.junit.Test
import kotlin.math.exp

class ForgeryScoreTest {
    private val labels = listOf("real", "fake")

    @Test
    fun `a frame's score is the probability of fake`() {
        assertEquals(0.5, ForgeryScore(labels).ofFrame(floatArrayOf(3f, 3f)), 1e-12)
        assertEquals(1 / (1 + exp(-2.0)), ForgeryScore(labels).ofFrame(floatArrayOf(0f, 2f)), 1e-12)
        assertEquals(1.0, ForgeryScore(labels).ofFrame(floatArrayOf(-1000f, 1000f)), 0.0)
    }

    @Test
    fun `the mean of the last frames is within its bounds`() {
        val score = ForgeryScore(labels, most = 2)
        assertEquals(0.999, score.add(floatArrayOf(0f, 100f)), 0.0)
        assertEquals(0.5, score.add(floatArrayOf(100f, 0f)), 1e-12)
        assertEquals(0.001, score.add(floatArrayOf(100f, 0f)), 0.0)
        assertEquals(0.4, ForgeryScore.mean(listOf(0.2, 0.6)), 1e-12)
    }

    @Test
    fun `other models are refused`() {
        assertTrue(ForgeryScore.isFor(labels))
        assertFalse(ForgeryScore.isFor(listOf("cat")))
        refused("its classes: cat") { ForgeryScore(listOf("cat")) }
        refused("expected 2 scores, found 3") { ForgeryScore(labels).ofFrame(FloatArray(3)) }
    }
}
