package org.mobilekit.core

import org.junit.Assert.assertEquals
import org.junit.Assert.assertSame
import org.junit.Test

class PreprocessTest {
    @Test
    fun `every shared vector`() {
        for (case in Vectors.cases("preprocess.json")) {
            val picture = Vectors.picture(case["image"].text())
            val dtype = case["dtype"].text()
            val preprocess = Preprocess(TensorSpec("image", case["shape"].ints(), dtype, layoutOf(case)))
            val box = case.optional("box")?.let(::boxOf) ?: preprocess.centred(picture)
            assertEquals(boxOf(case["used_box"]), box)
            val expected = case["values"].items().map { it.double() }
            val found = preprocess.values(picture, box)
            assertEquals(expected.size, found.size)
            for (at in found.indices) {
                val tolerance = if (dtype == "uint8") 0.0 else 1e-6 * maxOf(1.0, expected[at])
                assertEquals("${case["image"].text()} at $at", expected[at], found[at].toDouble(), tolerance)
            }
        }
    }

    private fun boxOf(node: JsonNode): Box =
        Box(node["left"].int(), node["top"].int(), node["width"].int(), node["height"].int())

    private val grey = Picture(4, 2, IntArray(8) { 0x010101 * it })

    @Test
    fun `weights and arrays are used again`() {
        val preprocess = Preprocess(TensorSpec("image", listOf(1, 2, 2, 3), layout = Layout.NHWC))
        val first = preprocess.values(grey, Box(0, 0, 2, 2))
        assertEquals(listOf(0f, 1f, 4f, 5f), first.filterIndexed { at, _ -> at % 3 == 0 })
        val second = preprocess.values(grey)
        assertSame(first, second)
        assertEquals(listOf(1f, 2f, 5f, 6f), second.filterIndexed { at, _ -> at % 3 == 0 })
    }

    @Test
    fun `an input that keeps some channels gets those`() {
        val picture = Picture(1, 1, intArrayOf(0x102030))
        val spec = TensorSpec("image", listOf(1, 2, 1, 1), layout = Layout.NCHW, keptChannels = listOf(2, 0))
        assertEquals(listOf(48f, 16f), Preprocess(spec).values(picture).toList())
    }

    @Test
    fun `an input of one channel gets the brightness`() {
        val picture = Picture(1, 1, intArrayOf(0x6432c8))
        val spec = TensorSpec("image", listOf(1, 1, 1, 1), layout = Layout.NCHW)
        assertEquals(82.05f, Preprocess(spec).values(picture).single(), 1e-4f)
        assertEquals(82.05f / 255, Preprocess(spec, PixelRange.STANDARDIZED).values(picture).single(), 1e-6f)
    }

    @Test
    fun `levels are standardized where the graph does not`() {
        val picture = Picture(1, 1, intArrayOf(0xff00ff33.toInt()))
        val spec = TensorSpec("image", listOf(1, 3, 1, 1), layout = Layout.NCHW)
        val found = Preprocess(spec, PixelRange.of(null)).values(picture)
        assertEquals(listOf(-2.1179, 2.4286, -0.9156), found.map { Math.rint(it * 1e4) / 1e4 })
        val again = Picture.of(StoredArray(spec.shape, found), PixelRange.STANDARDIZED)
        assertEquals(picture.argb.toList(), again.argb.toList())
        assertEquals(PixelRange.CAMERA, PixelRange.of(Normalization(listOf(0.0), listOf(1.0), 1.0)))
    }

    @Test
    fun `what does not fit is refused`() {
        val spec = TensorSpec("image", listOf(1, 2, 2, 3), layout = Layout.NHWC)
        refused("expected channels of a colour picture") { Preprocess(spec.copy(shape = listOf(1, 2, 2, 4))) }
        refused("is not in a picture of 4×2") { Preprocess(spec).values(grey, Box(3, 0, 2, 2)) }
        refused("is not in a picture") { Preprocess(spec).values(grey, Box(0, -1, 2, 2)) }
    }
}
