package org.mobilekit.core

import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertNotNull
import org.junit.Assert.assertNull
import org.junit.Test

class FramePipelineTest {
    private val image = """{"name": "image", "shape": [1, 1, 2, 3], "layout": "NHWC"}"""
    private val logits = """{"name": "logits", "shape": [1, 1, 2, 2], "layout": "NHWC"}"""
    private val frame = Picture(4, 2, IntArray(8) { 0x010101 * it })
    private val whole = Box(0, 0, 4, 2)

    private fun pipeline(
        bundle: FakeBundle,
        work: (List<FloatArray>) -> List<FloatArray>,
    ): FramePipeline {
        val manifest = bundle.bundled().manifest
        val file = manifest.files.single()
        return FramePipeline(manifest, file, FakeEngine(file.inputs, file.outputs, work))
    }

    @Test
    fun `a mask is coloured and every stage is timed`() {
        val seen = ArrayList<FloatArray>()
        val pipeline =
            pipeline(FakeBundle("[$image]", "[$logits]", """["background", "skin"]""")) { values ->
                seen.add(values.single())
                listOf(floatArrayOf(1f, 0f, 0f, 1f))
            }
        assertEquals("skin", pipeline.legend.single().first)
        val found = pipeline.answer({ frame }, whole, 9)
        assertEquals(whole, found.box)
        assertEquals(6, seen.single().size)
        assertEquals(0, found.overlay!!.argb[0])
        assertEquals(0xff3d72f2.toInt(), found.overlay.argb[1])
        assertEquals(Stage.entries.toSet(), found.times.keys)
        assertEquals(9L, found.times[Stage.DETECTION])
        assertNull(found.forgery)
        assertNull(found.label)
    }

    @Test
    fun `a face is cut with a part around it`() {
        val pipeline = pipeline(FakeBundle("[$image]", "[$logits]")) { listOf(FloatArray(4)) }
        val large = Picture(40, 40, IntArray(1600))
        assertEquals(Box(10, 10, 5, 3), pipeline.answer({ large }, Box(10, 10, 4, 2), 0).box)
    }

    @Test
    fun `without a face the model does not run`() {
        val pipeline = pipeline(FakeBundle("[$image]", "[$logits]")) { throw AssertionError("it ran") }
        val found = pipeline.answer({ throw AssertionError("the pixels were asked for") }, null, 5)
        assertNull(found.box)
        assertNull(found.overlay)
        assertEquals(mapOf(Stage.DETECTION to 5L), found.times)
    }

    @Test
    fun `a classifier says a class`() {
        val scores = """[{"name": "scores", "shape": [1, 3]}]"""

        fun label(labels: String): String? {
            val pipeline = pipeline(FakeBundle("[$image]", scores, labels)) { listOf(floatArrayOf(1f, 3f, 3f)) }
            return pipeline.answer({ frame }, whole, 0).label
        }
        assertEquals("dog", label("""["cat", "dog", "cow"]"""))
        assertEquals("class 1", label("[]"))
        assertNull(label("""["cat", "dog"]"""))
    }

    @Test
    fun `the mask before is fed back until it is forgotten`() {
        val previous = """{"name": "previous", "shape": [1, 1, 2, 2], "layout": "NHWC"}"""
        val fed = ArrayList<List<Float>>()
        val bundle = FakeBundle("[$previous, $image]", "[$logits]", state = """{"logits": "previous"}""")
        val pipeline =
            pipeline(bundle) { (before, _) ->
                fed.add(before.toList())
                listOf(floatArrayOf(1000f, 0f, 0f, 1000f))
            }
        repeat(2) { pipeline.answer({ frame }, whole, 0) }
        pipeline.reset()
        repeat(2) { pipeline.answer({ frame }, whole, 0) }
        pipeline.answer({ frame }, null, 0)
        pipeline.answer({ frame }, whole, 0)
        val none = listOf(0f, 0f, 0f, 0f)
        val mask = listOf(1f, 0f, 0f, 1f)
        assertEquals(listOf(none, mask, none, mask, none), fed)
    }

    @Test
    fun `a forgery has a score and a map of heat`() {
        val scores = """{"name": "scores", "shape": [1, 2]}"""
        val heat = """{"name": "heat", "shape": [1, 1, 4, 1], "layout": "NHWC"}"""
        val bundle = FakeBundle("[$image]", "[$scores, $heat]", """["real", "fake"]""")
        val pipeline = pipeline(bundle) { listOf(floatArrayOf(0f, 0f), floatArrayOf(0f, 0.5f, 2f, Float.NaN)) }
        val found = pipeline.answer({ frame }, whole, 0)
        assertEquals(0.5, found.forgery!!, 1e-12)
        assertArrayEquals(intArrayOf(0, 0x80ff0000.toInt(), 0xffffff00.toInt(), 0), found.overlay!!.argb)
        assertNull(found.label)
    }

    @Test
    fun `a model without a picture to show has none`() {
        val pipeline =
            pipeline(FakeBundle("[$image]", """[{"name": "x", "shape": [1, 3]}]""")) { listOf(FloatArray(3)) }
        assertNull(pipeline.answer({ frame }, whole, 0).overlay)
    }

    @Test
    fun `a legend has a name and a colour per class`() {
        val spec = TensorSpec.of(JsonNode.parse(logits))
        assertEquals(
            listOf("skin" to 0xffffffff.toInt()),
            Painter(listOf(spec), listOf("background", "skin"), listOf("#000000", "#ffffff")).legend,
        )
        assertEquals("class 1", Painter(listOf(spec), emptyList(), emptyList()).legend.single().first)
        assertEquals(0, Painter(emptyList(), emptyList(), emptyList()).legend.size)
        assertNotNull(Painter(listOf(spec), emptyList(), emptyList()).paint(listOf(FloatArray(4))))
    }

    @Test
    fun `a model of two pictures is refused`() {
        refused("expected one image as input") {
            pipeline(FakeBundle("[$image, ${image.replace("image", "other")}]", "[$logits]")) { it }
        }
    }
}
