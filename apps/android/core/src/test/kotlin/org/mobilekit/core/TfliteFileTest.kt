package org.mobilekit.core

import org.junit.Assert.assertEquals
import org.junit.Test

class TfliteFileTest {
    private val expected = JsonNode.parse(String(Vectors.resource("tiny/ends.json")))

    private fun check(name: String) {
        val found = TfliteFile.parse(Vectors.resource("tiny/$name"))
        val said = expected[name]
        for ((ends, specs) in mapOf("inputs" to found.inputs, "outputs" to found.outputs)) {
            assertEquals(
                said[ends].items().map {
                    TensorSpec.of(it).copy(layout = Layout.PLAIN)
                },
                specs.map { it.copy(layout = Layout.PLAIN) },
            )
        }
        assertEquals(Layout.NHWC, found.inputs.single().layout)
    }

    @Test
    fun `ends of a file of floats`() = check("float32.tflite")

    @Test
    fun `ends of a file of integers inside`() = check("int8.tflite")

    @Test
    fun `ends of a file that takes and gives integers`() = check("int8-ends.tflite")

    @Test
    fun `what is no whole file is refused`() {
        refused("lacks the identifier TFL3") { TfliteFile.parse(ByteArray(4)) }
        refused("lacks the identifier TFL3") { TfliteFile.parse(ByteArray(40)) }
        refused("is cut off") { TfliteFile.parse(Vectors.resource("tiny/float32.tflite").copyOf(64)) }
    }
}
