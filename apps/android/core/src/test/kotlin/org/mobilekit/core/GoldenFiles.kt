package org.mobilekit.core

import java.nio.ByteBuffer
import java.nio.ByteOrder

/** The bytes of a `.safetensors` file of float32 arrays. */
fun safeTensors(arrays: Map<String, Pair<List<Int>, FloatArray>>): ByteArray {
    var at = 0
    val entries =
        arrays.mapValues { (_, array) ->
            val end = at + 4 * array.second.size
            mapOf("dtype" to "F32", "shape" to array.first, "data_offsets" to listOf(at, end)).also { at = end }
        }
    val header = Json.write(entries + ("__metadata__" to mapOf("by" to "test"))).toByteArray()
    val content = ByteBuffer.allocate(8 + header.size + at).order(ByteOrder.LITTLE_ENDIAN)
    content.putLong(header.size.toLong()).put(header)
    for ((_, values) in arrays.values) for (value in values) content.putFloat(value)
    return content.array()
}

/** Files in memory. */
class MemorySource(
    private val files: Map<String, ByteArray>,
) : BundleSource {
    override fun names(folder: String): List<String> =
        files.keys
            .filter { it.startsWith("$folder/") }
            .map { it.removePrefix("$folder/").substringBefore('/') }
            .distinct()

    override fun bytes(path: String): ByteArray = files[path] ?: throw java.io.IOException("no $path")
}

/** Gives what a function makes of the inputs. */
class FakeEngine(
    override val inputs: List<TensorSpec>,
    override val outputs: List<TensorSpec>,
    private val work: (List<FloatArray>) -> List<FloatArray>,
) : InferenceEngine {
    override val facts = RuntimeFacts("litert", "0", "CompiledModel", listOf("cpu"), true, 1)
    var closed = false
    var runs = 0

    override fun run(values: List<FloatArray>): List<FloatArray> {
        runs++
        return work(values)
    }

    override fun close() {
        closed = true
    }
}

/** A manifest of one file, `model.tflite`, with golden vectors. */
class FakeBundle(
    private val inputs: String,
    private val outputs: String,
    private val labels: String = "[]",
    private val state: String = "{}",
    private val normalization: String = "{}",
    golden: Map<String, ByteArray> = emptyMap(),
) {
    private val folder = "models/net"
    private val digests = golden.keys.joinToString { "\"golden/$it\": \"${sha256Of(golden.getValue(it))}\"" }
    val model = "model".toByteArray()
    val manifest =
        """{"schema_version": 1, "name": "net", "normalization": $normalization, "inputs": $inputs, "outputs": $outputs, "labels": $labels, "state": $state,
            "golden_sha256": {$digests}, "files": [
             {"path": "model.mlpackage", "target": {"kind": "coreml"}},
             {"path": "model.tflite", "target": {"kind": "tflite"}, "sha256": "${sha256Of(model)}", "size_bytes": 5,
              "inputs": $inputs, "outputs": $outputs,
              "parity": {"sets": [
               {"inputs": "images", "outputs": [{"output": "logits", "least_sqnr_db": 30.0}]},
               {"inputs": "noise", "outputs": [{"output": "logits", "least_sqnr_db": 40.0}]}]}}]}"""
    val files =
        mapOf("$folder/manifest.json" to manifest.toByteArray(), "$folder/model.tflite" to model) +
            golden.mapKeys { "$folder/golden/${it.key}" }

    fun bundled(files: Map<String, ByteArray> = this.files): BundledModel =
        ModelCatalog(MemorySource(files)).find().models.single()
}
