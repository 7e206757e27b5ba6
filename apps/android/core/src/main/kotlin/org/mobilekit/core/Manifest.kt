package org.mobilekit.core

/** `(level * scale - mean) / std`, which the model's graph applies itself. */
data class Normalization(
    val mean: List<Double>,
    val std: List<Double>,
    val scale: Double,
)

/** One `.tflite` file of an artifact. */
data class ModelFile(
    val path: String,
    val variant: String,
    val sha256: String,
    val sizeBytes: Long,
    val inputs: List<TensorSpec>,
    val outputs: List<TensorSpec>,
    /** `set.output` of the golden vectors → signal-to-noise ratio, in decibels, at which it passes. */
    val leastSqnrDb: Map<String, Double>,
)

/** What an artifact's `manifest.json` says, as far as the app asks: `schemas/manifest.schema.json`. */
data class Manifest(
    val name: String,
    val inputs: List<TensorSpec>,
    val outputs: List<TensorSpec>,
    val files: List<ModelFile>,
    val goldenSha256: Map<String, String>,
    val normalization: Normalization?,
    val labels: List<String>,
    val colours: List<String>,
    val state: Map<String, String>,
) {
    /** What files are given of a pixel. */
    val range: PixelRange get() = PixelRange.of(normalization)

    companion object {
        private const val SCHEMA_VERSION = 1

        fun parse(text: String): Manifest {
            val root = JsonNode.parse(text)
            val version = root["schema_version"].int()
            if (version != SCHEMA_VERSION) {
                throw ContractException(
                    "expected schema_version $SCHEMA_VERSION, found $version; update the app or the model",
                )
            }
            return Manifest(
                name = root["name"].text(),
                inputs = specs(root["inputs"]),
                outputs = specs(root["outputs"]),
                files = root["files"].items().filter { it["target"]["kind"].text() == "tflite" }.map(::file),
                goldenSha256 = texts(root.optional("golden_sha256")),
                normalization = root.optional("normalization")?.let(::normalization),
                labels =
                    root
                        .optional("labels")
                        ?.items()
                        .orEmpty()
                        .map { it.text() },
                colours =
                    root
                        .optional("colours")
                        ?.items()
                        .orEmpty()
                        .map { it.text() },
                state = texts(root.optional("state")),
            )
        }

        private fun file(node: JsonNode): ModelFile {
            val target = node["target"]
            val quantize = target.optional("quantize")?.text().orEmpty()
            val form = quantize.ifEmpty { target.optional("precision")?.text() ?: "float32" }
            val mixed = target.optional("layers")?.members().orEmpty()
            val sets = node["parity"].optional("sets")?.items().orEmpty()
            return ModelFile(
                path = node["path"].text(),
                variant = if (mixed.isEmpty()) form else "$form mixed",
                sha256 = node["sha256"].text(),
                sizeBytes = node["size_bytes"].long(),
                inputs = specs(node["inputs"]),
                outputs = specs(node["outputs"]),
                leastSqnrDb = sets.flatMap(::bars).toMap(),
            )
        }

        private fun bars(set: JsonNode): List<Pair<String, Double>> =
            set["outputs"].items().map {
                "${set["inputs"].text()}.${it["output"].text()}" to
                    it["least_sqnr_db"].double()
            }

        private fun normalization(node: JsonNode): Normalization =
            Normalization(
                mean = doubles(node.optional("mean")) ?: listOf(0.0),
                std = doubles(node.optional("std")) ?: listOf(1.0),
                scale = node.optional("scale")?.double() ?: 1.0,
            )

        private fun doubles(node: JsonNode?): List<Double>? = node?.items()?.map { it.double() }

        private fun texts(node: JsonNode?): Map<String, String> =
            node?.members().orEmpty().mapValues { it.value.text() }

        private fun specs(node: JsonNode): List<TensorSpec> = node.items().map(TensorSpec::of)
    }
}
