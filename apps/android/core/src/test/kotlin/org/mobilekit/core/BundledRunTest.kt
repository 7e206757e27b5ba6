package org.mobilekit.core

import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Test

class BundledRunTest {
    private val golden =
        mapOf(
            "inputs.safetensors" to
                safeTensors(
                    mapOf(
                        "images.previous" to (listOf(1, 2, 1, 2) to FloatArray(4)),
                        "images.image" to (listOf(1, 3, 1, 2) to floatArrayOf(1f, 2f, 3f, 4f, 5.4f, 300f)),
                    ),
                ),
        )

    private fun bundle(name: String = "image") =
        FakeBundle(
            """[{"name": "previous", "shape": [1, 1, 2, 2], "layout": "NHWC"},
                {"name": "$name", "shape": [1, 1, 2, 3], "layout": "NHWC"}]""",
            """[{"name": "logits", "shape": [1, 1, 2, 2], "layout": "NHWC"}]""",
            state = """{"logits": "previous"}""",
            golden = golden,
        ).bundled()

    @Test
    fun `the golden picture goes through the model`() {
        val model = bundle()
        val file = model.manifest.files.single()
        val run = BundledRun(model, file)
        assertEquals("bundled:images", run.input)
        assertArrayEquals(intArrayOf(0xff010305.toInt(), 0xff0204ff.toInt()), run.picture.argb)
        val engine =
            FakeEngine(file.inputs, file.outputs) { (previous, image) ->
                assertArrayEquals(FloatArray(4), previous, 0f)
                assertArrayEquals(floatArrayOf(1f, 3f, 5f, 2f, 4f, 255f), image, 0f)
                listOf(floatArrayOf(0f, 1f, 1f, 0f))
            }
        assertEquals(0, run.overlay(engine)!!.argb[1])
        val measured = BenchmarkLoop().measure(Plan(1, 2, run.input), { engine }) { run.stages() }
        assertEquals(2, measured.endToEndNs.size)
    }

    @Test
    fun `a model without a golden picture is refused`() {
        val model = bundle("photo")
        refused("has no golden photo") { BundledRun(model, model.manifest.files.single()) }
        refused("expected a picture") { Picture.of(StoredArray(listOf(1, 2), FloatArray(2))) }
    }
}
