package org.mobilekit.core

/** Between the order of the axes in a network (NCHW) and that of a file. */
object Axes {
    /** Values of the network's shape in the order that a file's tensor has. */
    fun toFile(
        values: FloatArray,
        shape: List<Int>,
        spec: TensorSpec,
    ): FloatArray {
        if (shape == spec.shape && spec.layout != Layout.NHWC) return values
        if (spec.layout != Layout.NHWC || !moved(shape, spec)) {
            throw ContractException(
                "${spec.name}: expected ${spec.described()}, found values of ${shape.joinToString("×")}",
            )
        }
        val (height, width, channels) = spec.imageSize()
        val pixels = height * width
        return FloatArray(values.size) { values[it % channels * pixels + it / channels] }
    }

    private fun moved(
        shape: List<Int>,
        spec: TensorSpec,
    ): Boolean {
        val (height, width, channels) = spec.imageSize()
        return shape == listOf(1, channels, height, width)
    }
}
