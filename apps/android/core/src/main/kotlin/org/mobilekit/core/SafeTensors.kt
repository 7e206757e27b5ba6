package org.mobilekit.core

import java.nio.ByteBuffer
import java.nio.ByteOrder

/** One array of a `.safetensors` file. */
class StoredArray(
    val shape: List<Int>,
    val values: FloatArray,
)

/** A `.safetensors` file of float32 arrays: eight bytes of length, a JSON header, the arrays. */
class SafeTensors private constructor(
    private val content: ByteBuffer,
    private val start: Int,
    private val entries: Map<String, JsonNode>,
) {
    val names: Set<String> get() = entries.keys

    operator fun get(name: String): StoredArray {
        val entry = entries[name] ?: throw ContractException("the golden vectors have no $name")
        val dtype = entry["dtype"].text()
        if (dtype != "F32") throw ContractException("$name: expected golden vectors of float32 (F32), found $dtype")
        val shape = entry["shape"].items().map { it.int() }
        val (from, to) = entry["data_offsets"].items().map { it.int() }
        val count = shape.fold(1) { product, size -> product * size }
        val whole = from >= 0 && to - from == FLOAT_BYTES * count && start + to <= content.limit()
        if (!whole) throw ContractException("$name: the golden vectors are cut off")
        return StoredArray(shape, FloatArray(count) { content.getFloat(start + from + FLOAT_BYTES * it) })
    }

    companion object {
        fun parse(bytes: ByteArray): SafeTensors {
            val content = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN)
            val length = if (bytes.size < LENGTH_BYTES) -1 else content.getLong(0)
            if (length !in 1..bytes.size - LENGTH_BYTES.toLong()) throw ContractException("is no .safetensors file")
            val header = String(bytes, LENGTH_BYTES, length.toInt(), Charsets.UTF_8)
            val entries = JsonNode.parse(header).members() - "__metadata__"
            return SafeTensors(content, LENGTH_BYTES + length.toInt(), entries)
        }

        private const val LENGTH_BYTES = 8
        private const val FLOAT_BYTES = 4
    }
}
