package org.mobilekit.core

import org.junit.Assert.assertEquals
import org.junit.Test

class PictureTest {
    private fun ppm(
        header: String,
        vararg bytes: Int,
    ): Picture = Picture.ppm((header.toByteArray() + ByteArray(bytes.size) { bytes[it].toByte() }).inputStream())

    @Test
    fun `pixels are read as colours`() {
        val found = ppm("P6\n2 1\n255\n", 255, 0, 1, 2, 3, 254)
        assertEquals(listOf(0xffff0001.toInt(), 0xff0203fe.toInt()), found.argb.toList())
    }

    @Test
    fun `what is no picture is refused`() {
        refused("is no PPM picture") { ppm("P5\n2 1\n255\n", 1) }
        refused("is no PPM picture") { ppm("P6\nx 1\n255\n", 1) }
        refused("is no PPM picture") { ppm("") }
        refused("cut off") { ppm("P6\n2 1\n255\n", 1, 2, 3) }
        refused("expected 2×2 pixels, found 3") { Picture(2, 2, IntArray(3)) }
    }

    @Test
    fun `a stored picture may be grey`() {
        val found = Picture.of(StoredArray(listOf(1, 1, 1, 2), floatArrayOf(7f, 300f)))
        assertEquals(listOf(0xff070707.toInt(), 0xffffffff.toInt()), found.argb.toList())
    }

    @Test
    fun `a face's box has the target's shape and lies in the picture`() {
        val square = Picture(200, 200, IntArray(40_000))
        assertEquals(Box(30, 40, 60, 60), Box(40, 50, 40, 40).widened(square, 8, 8, 0.5))
        assertEquals(Box(0, 0, 60, 60), Box(-3, 5, 40, 30).widened(square, 8, 8, 0.5))
        assertEquals(Box(140, 140, 60, 60), Box(170, 180, 40, 40).widened(square, 8, 8, 0.5))
        assertEquals(Box(0, 30, 120, 60), Box(40, 40, 40, 40).widened(square, 1, 2, 0.5))
        assertEquals(Box(199, 199, 1, 1), Box(300, 300, 0, 0).widened(square, 8, 8, 0.5))
        val lying = Picture(200, 100, IntArray(20_000))
        assertEquals(Box(50, 0, 100, 100), Box(0, 0, 200, 100).widened(lying, 8, 8, 0.5))
    }
}
