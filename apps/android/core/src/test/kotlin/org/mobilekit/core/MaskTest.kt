package org.mobilekit.core

import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Test

class MaskTest {
    @Test
    fun `every shared vector`() {
        for (case in Vectors.cases("masks.json")) {
            val spec = TensorSpec("logits", case["shape"].ints(), layout = layoutOf(case))
            val found = Mask.of(case["logits"].floats(), spec)
            assertEquals(case["name"].text(), case["mask"].ints(), found.map { it.toInt() })
        }
    }

    @Test
    fun `an array that is there already is used`() {
        val spec = TensorSpec("logits", listOf(1, 1, 2, 2), layout = Layout.NHWC)
        val into = byteArrayOf(7, 7)
        Mask.of(floatArrayOf(1f, 2f, 2f, 1f), spec, into)
        assertArrayEquals(byteArrayOf(1, 0), into)
        val planes = TensorSpec("logits", listOf(1, 2, 1, 2), layout = Layout.NCHW)
        Mask.of(floatArrayOf(2f, 1f, 1f, 2f), planes, into)
        assertArrayEquals(byteArrayOf(0, 1), into)
    }

    @Test
    fun `wrong sizes are refused`() {
        val spec = TensorSpec("logits", listOf(1, 1, 2, 2), layout = Layout.NHWC)
        refused("expected 4 scores, found 3") { Mask.of(FloatArray(3), spec) }
        refused("more than 256") { Mask.of(FloatArray(300), spec.copy(shape = listOf(1, 1, 1, 300))) }
        refused("expected an image") { Mask.of(FloatArray(4), spec.copy(layout = Layout.PLAIN)) }
    }
}
