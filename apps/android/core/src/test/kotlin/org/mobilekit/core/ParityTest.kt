package org.mobilekit.core

import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertNull
import org.junit.Assert.assertTrue
import org.junit.Test

class ParityTest {
    private val image = TensorSpec("image", listOf(1, 1, 2, 3), layout = Layout.NHWC)
    private val logits = TensorSpec("logits", listOf(1, 1, 2, 2), layout = Layout.NHWC)
    private val bundle =
        FakeBundle(
            """[{"name": "image", "shape": [1, 1, 2, 3], "layout": "NHWC"}]""",
            """[{"name": "logits", "shape": [1, 1, 2, 2], "layout": "NHWC"}]""",
            golden =
                mapOf(
                    "inputs.safetensors" to
                        safeTensors(
                            mapOf(
                                "images.image" to (listOf(1, 3, 1, 2) to floatArrayOf(1f, 2f, 3f, 4f, 5f, 6f)),
                                "noise.image" to (listOf(1, 3, 1, 2) to FloatArray(6)),
                            ),
                        ),
                    "outputs.safetensors" to
                        safeTensors(
                            mapOf(
                                "images.logits" to (listOf(1, 2, 1, 2) to floatArrayOf(10f, 0f, 0f, 10f)),
                                "noise.logits" to (listOf(1, 2, 1, 2) to floatArrayOf(1f, 1f, 0f, 0f)),
                            ),
                        ),
                ),
        )

    private fun checkedWith(
        pictures: FloatArray,
        noise: FloatArray = floatArrayOf(1f, 0f, 1f, 0f),
    ): Parity {
        val model = bundle.bundled()
        val engine =
            FakeEngine(listOf(image), listOf(logits)) { (values) ->
                if (values[0] == 0f) return@FakeEngine listOf(noise)
                assertArrayEquals(floatArrayOf(1f, 3f, 5f, 2f, 4f, 6f), values, 0f)
                listOf(pictures)
            }
        return GoldenCheck(model, model.manifest.files.single()).check(engine)
    }

    @Test
    fun `equal outputs pass`() {
        val found = checkedWith(floatArrayOf(10f, 0f, 0f, 10f))
        assertEquals(0.0, found.maxAbs, 0.0)
        assertEquals(200.0, found.sqnrDb, 0.0)
        assertEquals(1.0, found.argmaxAgreement!!, 0.0)
        assertTrue(found.passed)
        assertEquals(true, found.toJson()["passed"])
    }

    @Test
    fun `a set passes from the manifest's ratio on`() {
        // 10·lg(200 / 0.1) = 33.01 and 10·lg(200 / 0.4) = 26.99
        assertTrue(checkedWith(floatArrayOf(10.1f, 0f, 0.3f, 10f)).passed)
        val worse = checkedWith(floatArrayOf(10.2f, 0f, 0.6f, 10f))
        assertFalse(worse.passed)
        assertEquals(26.99, worse.sqnrDb, 0.01)
        assertEquals(0.6, worse.maxAbs, 1e-6)
        // the other set has another ratio: 10·lg(2 / 0.01) is below its 40 decibels
        assertFalse(checkedWith(floatArrayOf(10f, 0f, 0f, 10f), floatArrayOf(1.1f, 0f, 1f, 0f)).passed)
    }

    @Test
    fun `an output without a ratio is refused`() {
        val model = bundle.bundled()
        val file =
            model.manifest.files
                .single()
                .copy(leastSqnrDb = mapOf("images.other" to 30.0))
        val engine = FakeEngine(listOf(image), listOf(logits)) { listOf(FloatArray(4)) }
        refused("no parity of images.logits") { GoldenCheck(model, file).check(engine) }
        refused("no golden vectors") { GoldenCheck(model, file.copy(leastSqnrDb = emptyMap())).check(engine) }
    }

    @Test
    fun `a file that is judged on images alone is not judged on noise`() {
        val model = bundle.bundled()
        val file =
            model.manifest.files
                .single()
                .copy(leastSqnrDb = mapOf("images.logits" to 30.0))
        val engine = FakeEngine(listOf(image), listOf(logits)) { listOf(floatArrayOf(10f, 0f, 0f, 10f)) }
        assertTrue(GoldenCheck(model, file).check(engine).passed)
        assertEquals(1, engine.runs)
    }

    @Test
    fun `the GPU is held to floats of 16 bits`() {
        assertEquals(40.0, Units.leastSqnrDb(listOf("gpu"), 100.0), 0.0)
        assertEquals(30.0, Units.leastSqnrDb(listOf("gpu"), 30.0), 0.0)
        assertEquals(100.0, Units.leastSqnrDb(listOf("cpu"), 100.0), 0.0)
    }

    @Test
    fun `winners that differ are counted`() {
        val found = checkedWith(floatArrayOf(0f, 10f, 0f, 10f))
        assertEquals(0.75, found.argmaxAgreement!!, 0.0)
        assertFalse(found.passed)
    }

    @Test
    fun `classifications agree or not and numbers have no winner`() {
        val classes = TensorSpec("logits", listOf(1, 2))
        val golden = StoredArray(listOf(1, 2), floatArrayOf(1f, 2f))
        assertEquals(1, Compared.of(floatArrayOf(1f, 2f), classes, golden, 0.0).agreed)
        assertEquals(0, Compared.of(floatArrayOf(2f, 1f), classes, golden, 0.0).agreed)
        val number = TensorSpec("x", listOf(1, 1))
        val compared = Compared.of(floatArrayOf(1f), number, StoredArray(listOf(1, 1), floatArrayOf(1f)), 0.0)
        assertNull(Parity.of(listOf(compared), "").argmaxAgreement)
    }

    @Test
    fun `what cannot be compared is refused`() {
        refused("no golden vectors") { Parity.of(emptyList(), "") }
        val golden = StoredArray(listOf(1, 2, 1, 2), FloatArray(4))
        refused("expected 4 values, found 3") { Compared.of(FloatArray(3), logits, golden, 0.0) }
        refused("not finite") { Compared.of(FloatArray(4) { Float.NaN }, logits, golden, 0.0) }
        refused("found values of 1×3×1×2") {
            Compared.of(FloatArray(4), logits, StoredArray(listOf(1, 3, 1, 2), FloatArray(6)), 0.0)
        }
        refused("found values of 2×2") { Axes.toFile(FloatArray(4), listOf(2, 2), TensorSpec("x", listOf(4))) }
    }

    @Test
    fun `damaged golden vectors are refused`() {
        val whole = safeTensors(mapOf("a.x" to (listOf(2) to floatArrayOf(1f, 2f))))
        assertArrayEquals(floatArrayOf(1f, 2f), SafeTensors.parse(whole)["a.x"].values, 0f)
        assertEquals(setOf("a.x"), SafeTensors.parse(whole).names)
        refused("no .safetensors") { SafeTensors.parse(ByteArray(3)) }
        refused("no .safetensors") { SafeTensors.parse(ByteArray(9) { -1 }) }
        refused("cut off") { SafeTensors.parse(whole.copyOf(whole.size - 4))["a.x"] }
        refused("have no b") { SafeTensors.parse(whole)["b"] }
        val half = String(whole, Charsets.ISO_8859_1).replace("F32", "F16").toByteArray(Charsets.ISO_8859_1)
        refused("expected golden vectors of float32 (F32), found F16") { SafeTensors.parse(half)["a.x"] }
    }
}
