package org.mobilekit.core

import java.nio.ByteBuffer
import java.nio.ByteOrder

/** The ends of a `.tflite` file, in the order in which a runtime numbers them. */
class TfliteFile private constructor(
    val inputs: List<TensorSpec>,
    val outputs: List<TensorSpec>,
) {
    companion object {
        /** Reads a file without a runtime: its first signature's ends, or its first graph's where it has none. */
        fun parse(bytes: ByteArray): TfliteFile {
            val marked = bytes.size >= HEAD && String(bytes, MARK.length, MARK.length, Charsets.US_ASCII) == MARK
            if (!marked) throw ContractException("is no .tflite file (it lacks the identifier $MARK)")
            try {
                return ends(ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN))
            } catch (_: IndexOutOfBoundsException) {
                throw ContractException("the .tflite file is cut off")
            }
        }

        private fun ends(content: ByteBuffer): TfliteFile {
            val model = FlatTable(content, content.getInt(0))
            val signature = model.tables(SIGNATURES).firstOrNull()
            val graph = model.tables(GRAPHS)[signature?.int(GRAPH_OF_SIGNATURE) ?: 0]
            val tensors = graph.tables(TENSORS)

            fun named(
                names: List<FlatTable>,
                ends: List<Int>,
            ): List<TensorSpec> {
                // tools that change a file's ends may leave the old names, of tensors that are none of them
                val current = names.isNotEmpty() && names.map { it.int(1) }.toSet() == ends.toSet()
                if (current) return names.map { spec(tensors[it.int(1)], it.text(0)) }
                return ends.map { spec(tensors[it], tensors[it].text(NAME)) }
            }
            return TfliteFile(
                named(signature?.tables(0).orEmpty(), graph.ints(GRAPH_INPUTS)),
                named(signature?.tables(1).orEmpty(), graph.ints(GRAPH_OUTPUTS)),
            )
        }

        private fun spec(
            tensor: FlatTable,
            name: String,
        ): TensorSpec {
            val shape = tensor.ints(0)
            val dtype =
                TYPES[tensor.byte(1)] ?: throw ContractException("$name: has a type that this app does not know")
            val grid = tensor.table(QUANTIZATION)
            val step = grid?.floats(SCALES)?.singleOrNull()?.toDouble() ?: 0.0
            val zero = grid?.longs(ZEROS)?.singleOrNull()?.toInt() ?: 0
            val whole = dtype.startsWith("float")
            return TensorSpec(name, shape, dtype, layoutOf(shape), if (whole) 0.0 else step, if (whole) 0 else zero)
        }

        /** Guesses the order of an image's axes; a manifest knows better. */
        private fun layoutOf(shape: List<Int>): Layout =
            when {
                shape.size != RANK -> Layout.PLAIN
                shape[1] in CHANNELS -> Layout.NCHW
                shape[RANK - 1] in CHANNELS -> Layout.NHWC
                else -> Layout.PLAIN
            }

        private const val MARK = "TFL3"
        private const val HEAD = 8
        private const val RANK = 4
        private const val SIGNATURES = 7
        private const val GRAPHS = 2
        private const val GRAPH_OF_SIGNATURE = 4
        private const val TENSORS = 0
        private const val GRAPH_INPUTS = 1
        private const val GRAPH_OUTPUTS = 2
        private const val NAME = 3
        private const val QUANTIZATION = 4
        private const val SCALES = 2
        private const val ZEROS = 3
        private val CHANNELS = setOf(1, 3, 4)
        private val TYPES =
            mapOf(
                0 to "float32",
                1 to "float16",
                2 to "int32",
                3 to "uint8",
                4 to "int64",
                6 to "bool",
                7 to "int16",
                9 to "int8",
                10 to "float64",
            )
    }
}
