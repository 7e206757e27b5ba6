package org.mobilekit.core

import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertNull
import org.junit.Assert.assertTrue
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder

class ModelCatalogTest {
    @get:Rule
    val temporary = TemporaryFolder()

    private val ends = """[{"name": "x", "shape": [1, 2]}]"""
    private val bundle = FakeBundle(ends, ends)

    @Test
    fun `each folder with a manifest is a model and others are passed over`() {
        val files = bundle.files + ("models/notes/README.md" to ByteArray(0))
        val found = ModelCatalog(MemorySource(files)).find()
        val model = found.models.single()
        assertEquals("net", model.manifest.name)
        assertEquals(emptyList<String>(), found.problems)
        val file = model.manifest.files.single()
        assertArrayEquals(bundle.model, model.bytesOf(file))
        assertEquals(mapOf("images.logits" to 30.0, "noise.logits" to 40.0), file.leastSqnrDb)
    }

    @Test
    fun `a folder of the file system is a source`() {
        for ((path, content) in bundle.files) {
            val file = temporary.root.resolve(path)
            file.parentFile.mkdirs()
            file.writeBytes(content)
        }
        val model = ModelCatalog(FolderSource(temporary.root)).find().models.single()
        assertArrayEquals(bundle.model, model.bytesOf(model.manifest.files.single()))
        assertTrue(ModelCatalog(FolderSource(temporary.root.resolve("models"))).find().models.isEmpty())
    }

    @Test
    fun `changed or missing files are refused`() {
        val changed = bundle.bundled(bundle.files + ("models/net/model.tflite" to ByteArray(3)))
        refused("is not what its manifest describes") { changed.bytesOf(changed.manifest.files.single()) }
        val missing = bundle.bundled(bundle.files - "models/net/model.tflite")
        refused("model.tflite is missing") { missing.bytesOf(missing.manifest.files.single()) }
        refused("its manifest has no golden/inputs.safetensors") { missing.golden("inputs") }
    }

    @Test
    fun `why a model cannot be used is said`() {
        fun problem(text: String): String =
            ModelCatalog(MemorySource(mapOf("models/net/manifest.json" to text.toByteArray()))).find().problems.single()
        assertTrue(
            "schema_version" in problem(bundle.manifest.replace("\"schema_version\": 1", "\"schema_version\": 2")),
        )
        assertTrue("no .tflite file" in problem(bundle.manifest.replace("\"tflite\"", "\"onnx\"")))
        assertEquals("net: JSON: expected a value at character 0", problem("x"))
    }

    @Test
    fun `all that the app asks of a manifest is read`() {
        val text =
            bundle.manifest
                .replace("\"labels\": []", "\"labels\": [\"real\", \"fake\"], \"colours\": [\"#000000\", \"#ffffff\"]")
                .replace(
                    "\"kind\": \"tflite\"",
                    "\"kind\": \"tflite\", \"quantize\": \"static:int8\", \"layers\": {\"a\": \"float\"}",
                ).replace(
                    "\"state\": {}",
                    "\"state\": {\"x\": \"y\"}, \"normalization\": {\"mean\": [0.5], \"scale\": 0.25}",
                )
        val found = Manifest.parse(text)
        assertEquals(listOf("real", "fake"), found.labels)
        assertEquals(listOf("#000000", "#ffffff"), found.colours)
        assertEquals("static:int8 mixed", found.files.single().variant)
        assertEquals(mapOf("x" to "y"), found.state)
        assertEquals(Normalization(listOf(0.5), listOf(1.0), 0.25), found.normalization)
        assertEquals(PixelRange.CAMERA, found.range)
        val bare = Manifest.parse(FakeBundle(ends, ends, normalization = "null").manifest)
        assertNull(bare.normalization)
        assertEquals(PixelRange.STANDARDIZED, bare.range)
        assertEquals("x", found.inputs.single().name)
    }
}
