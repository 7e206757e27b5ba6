package org.mobilekit.core

/** Order of a tensor's axes. */
enum class Layout { NCHW, NHWC, PLAIN }

/** Height, width and channels of an image's tensor, batch of one. */
data class ImageSize(
    val height: Int,
    val width: Int,
    val channels: Int,
)

/** One input or output of a model. Integers stand for `(integer - zero) * step` where there is a step. */
data class TensorSpec(
    val name: String,
    val shape: List<Int>,
    val dtype: String = "float32",
    val layout: Layout = Layout.PLAIN,
    val step: Double = 0.0,
    val zero: Int = 0,
    val keptChannels: List<Int>? = null,
) {
    val elements: Int get() = shape.fold(1) { product, size -> product * size }

    /** Whether this is one image or map of classes. */
    val isImage: Boolean get() = shape.size == 4 && shape[0] == 1 && layout != Layout.PLAIN

    /** Sizes of an image; a [ContractException] for any other tensor. */
    fun imageSize(): ImageSize {
        if (!isImage) throw ContractException("$name: expected an image 1×channels×H×W, found ${described()}")
        return when (layout) {
            Layout.NHWC -> ImageSize(shape[1], shape[2], shape[3])
            else -> ImageSize(shape[2], shape[3], shape[1])
        }
    }

    fun described(): String = "$dtype ${shape.joinToString("×")}"

    fun toJson(): Map<String, Any?> = mapOf("name" to name, "shape" to shape, "dtype" to dtype)

    companion object {
        fun of(node: JsonNode): TensorSpec {
            val layout = node.optional("layout")?.text() ?: "plain"
            return TensorSpec(
                name = node["name"].text(),
                shape = node["shape"].items().map { it.int() },
                dtype = node.optional("dtype")?.text() ?: "float32",
                layout =
                    Layout.entries.find { it.name.equals(layout, ignoreCase = true) }
                        ?: throw ContractException("expected a layout nchw, nhwc or plain - at `${node.path}.layout`"),
                step = node.optional("step")?.double() ?: 0.0,
                zero = node.optional("zero")?.int() ?: 0,
                keptChannels = node.optional("kept")?.let(::channels),
            )
        }

        private fun channels(kept: JsonNode): List<Int> {
            if (kept.optional("flat")?.boolean() == true) {
                throw ContractException("a model that takes single values of an image cannot be shown one here")
            }
            return kept["indices"].items().map { it.int() }
        }
    }
}
