package org.mobilekit.core

import java.nio.ByteBuffer
import java.nio.ByteOrder
import kotlin.math.round

/** Between floats and the bytes that a tensor holds. */
object TensorCode {
    /** The bytes of values, rounded to the tensor's grid where it holds integers. */
    fun encode(
        spec: TensorSpec,
        values: FloatArray,
    ): ByteArray {
        if (values.size != spec.elements) {
            throw ContractException("${spec.name}: expected ${spec.elements} values, found ${values.size}")
        }
        if (spec.dtype == FLOAT) {
            val bytes = buffer(ByteArray(FLOAT_BYTES * values.size))
            bytes.asFloatBuffer().put(values)
            return bytes.array()
        }
        val range = rangeOf(spec)
        return ByteArray(values.size) { onGrid(spec, values[it]).coerceIn(range).toByte() }
    }

    /** The values that bytes stand for. */
    fun decode(
        spec: TensorSpec,
        bytes: ByteArray,
    ): FloatArray {
        if (spec.dtype == FLOAT) {
            val found = FloatArray(bytes.size / FLOAT_BYTES)
            buffer(bytes).asFloatBuffer().get(found)
            return found
        }
        val mask = if (rangeOf(spec).first < 0) -1 else BYTE
        val step = if (spec.step == 0.0) 1.0 else spec.step
        return FloatArray(bytes.size) { (((bytes[it].toInt() and mask) - spec.zero) * step).toFloat() }
    }

    private fun onGrid(
        spec: TensorSpec,
        value: Float,
    ): Int {
        val step = if (spec.step == 0.0) 1.0 else spec.step
        return round(value / step).toInt() + spec.zero
    }

    private fun rangeOf(spec: TensorSpec): IntRange =
        when (spec.dtype) {
            "int8" -> Byte.MIN_VALUE..Byte.MAX_VALUE

            "uint8" -> 0..BYTE

            else -> throw ContractException(
                "${spec.name}: cannot be fed ${spec.dtype}; expected float32, int8 or uint8",
            )
        }

    private fun buffer(bytes: ByteArray): ByteBuffer = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN)

    private const val FLOAT = "float32"
    private const val FLOAT_BYTES = 4
    private const val BYTE = 255
}
