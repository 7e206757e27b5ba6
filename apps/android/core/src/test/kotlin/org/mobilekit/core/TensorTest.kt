package org.mobilekit.core

import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Test

class TensorTest {
    private val grid = TensorSpec("x", listOf(1, 3), "int8", step = 0.5, zero = -1)

    @Test
    fun `integers stand for values on a grid and are kept in their range`() {
        assertArrayEquals(byteArrayOf(1, -3, 127), TensorCode.encode(grid, floatArrayOf(1f, -1f, 1000f)))
        assertArrayEquals(floatArrayOf(1f, -1f, 64f), TensorCode.decode(grid, byteArrayOf(1, -3, 127)), 0f)
    }

    @Test
    fun `bytes without a step stand for themselves`() {
        val bytes = TensorSpec("x", listOf(2), "uint8")
        val coded = TensorCode.encode(bytes, floatArrayOf(255f, 3f))
        assertArrayEquals(byteArrayOf(-1, 3), coded)
        assertArrayEquals(floatArrayOf(255f, 3f), TensorCode.decode(bytes, coded), 0f)
    }

    @Test
    fun `floats are little-endian`() {
        val floats = TensorSpec("x", listOf(1))
        val coded = TensorCode.encode(floats, floatArrayOf(1f))
        assertArrayEquals(byteArrayOf(0, 0, 0x80.toByte(), 0x3f), coded)
        assertArrayEquals(floatArrayOf(1f), TensorCode.decode(floats, coded), 0f)
    }

    @Test
    fun `other types and sizes are refused`() {
        refused("expected 3 values, found 1") { TensorCode.encode(grid, FloatArray(1)) }
        refused("cannot be fed int64") { TensorCode.encode(grid.copy(dtype = "int64"), FloatArray(3)) }
        refused("cannot be fed int64") { TensorCode.decode(grid.copy(dtype = "int64"), ByteArray(3)) }
    }

    @Test
    fun `a spec is read from a manifest`() {
        val kept = """{"shape": [1, 3, 4, 4], "indices": [0, 2]}"""
        val text = """{"name": "x", "shape": [1, 2, 4, 4], "layout": "NCHW", "kept": $kept}"""
        val spec = TensorSpec.of(JsonNode.parse(text))
        assertEquals(ImageSize(4, 4, 2), spec.imageSize())
        assertEquals(listOf(0, 2), spec.keptChannels)
        assertEquals("float32", spec.dtype)
        assertFalse(TensorSpec.of(JsonNode.parse("""{"name": "y", "shape": [1, 2, 4, 4]}""")).isImage)
        val flat = """{"name": "x", "shape": [1, 2], "kept": {"shape": [1, 4], "indices": [0, 2], "flat": true}}"""
        refused("single values") { TensorSpec.of(JsonNode.parse(flat)) }
        refused("- at `$.layout`") { TensorSpec.of(JsonNode.parse(text.replace("NCHW", "CHWN"))) }
    }
}
