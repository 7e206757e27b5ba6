package org.mobilekit.core

import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Test
import kotlin.math.exp

class TemporalStateTest {
    private val image = TensorSpec("image", listOf(1, 1, 2, 3), layout = Layout.NHWC)
    private val logits = TensorSpec("logits", listOf(1, 1, 2, 2), layout = Layout.NHWC)
    private val fed = mapOf("logits" to "previous")

    private fun stateFor(previous: TensorSpec) = TemporalState(fed, listOf(image, previous), listOf(logits))

    @Test
    fun `it begins with zeros and remembers the soft-max`() {
        val state = stateFor(logits.copy(name = "previous"))
        assertEquals(setOf("previous"), state.names)
        assertArrayEquals(FloatArray(4), state["previous"], 0f)
        state.remember(listOf(floatArrayOf(0f, 0f, 0f, 2f)))
        val high = (exp(2.0) / (1 + exp(2.0))).toFloat()
        assertArrayEquals(floatArrayOf(0.5f, 0.5f, 1 - high, high), state["previous"], 1e-6f)
        state.reset()
        assertArrayEquals(FloatArray(4), state["previous"], 0f)
    }

    @Test
    fun `an input of one channel gets all but the background`() {
        val state = stateFor(TensorSpec("previous", listOf(1, 1, 1, 2), layout = Layout.NCHW))
        state.remember(listOf(floatArrayOf(0f, 0f, 0f, 100f)))
        assertArrayEquals(floatArrayOf(0.5f, 1f), state["previous"], 1e-6f)
    }

    @Test
    fun `axes are moved where the input has another order`() {
        val state = stateFor(TensorSpec("previous", listOf(1, 2, 1, 2), layout = Layout.NCHW))
        state.remember(listOf(floatArrayOf(100f, 0f, 0f, 100f)))
        assertArrayEquals(floatArrayOf(1f, 0f, 0f, 1f), state["previous"], 1e-6f)
        val planes = logits.copy(shape = listOf(1, 2, 1, 2), layout = Layout.NCHW)
        val other = TemporalState(fed, listOf(image, logits.copy(name = "previous")), listOf(planes))
        other.remember(listOf(floatArrayOf(100f, 0f, 0f, 0f)))
        assertArrayEquals(floatArrayOf(1f, 0f, 0.5f, 0.5f), other["previous"], 1e-6f)
    }

    @Test
    fun `what cannot be fed back is refused`() {
        refused(
            "cannot be fed back to previous",
        ) { stateFor(TensorSpec("previous", listOf(1, 3, 1, 2), layout = Layout.NCHW)) }
        refused(
            "cannot be fed back to previous",
        ) { stateFor(TensorSpec("previous", listOf(1, 2, 2, 2), layout = Layout.NCHW)) }
        refused("has no previous to feed back") { TemporalState(fed, listOf(image), listOf(logits)) }
    }
}
