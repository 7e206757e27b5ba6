package org.mobilekit.core

/** Classes of the pixels of a picture, row by row. */
object Mask {
    /** The class with the largest score at each pixel; of equal ones the first. */
    fun of(
        scores: FloatArray,
        spec: TensorSpec,
        into: ByteArray = ByteArray(pixelsOf(spec)),
    ): ByteArray {
        val size = sizeOf(scores, spec)
        if (spec.layout == Layout.NHWC) ofRows(scores, size.channels, into) else ofPlanes(scores, size.channels, into)
        return into
    }

    private fun pixelsOf(spec: TensorSpec): Int = spec.imageSize().run { height * width }

    private fun sizeOf(
        scores: FloatArray,
        spec: TensorSpec,
    ): ImageSize {
        val size = spec.imageSize()
        if (size.channels > CLASSES) throw ContractException("${spec.name}: more than $CLASSES classes")
        if (scores.size != spec.elements) {
            throw ContractException("${spec.name}: expected ${spec.elements} scores, found ${scores.size}")
        }
        return size
    }

    /** Scores of one pixel lie together. */
    private fun ofRows(
        scores: FloatArray,
        classes: Int,
        into: ByteArray,
    ) {
        var at = 0
        for (pixel in into.indices) {
            var most = scores[at]
            var winner = 0
            for (number in 1 until classes) {
                val score = scores[at + number]
                if (score > most) {
                    most = score
                    winner = number
                }
            }
            into[pixel] = winner.toByte()
            at += classes
        }
    }

    /** Scores of one class lie together: some pixels at a time, whose best scores stay near the processor. */
    private fun ofPlanes(
        scores: FloatArray,
        classes: Int,
        into: ByteArray,
    ) {
        val most = FloatArray(minOf(PART, into.size))
        into.fill(0)
        for (first in into.indices step PART) {
            val count = minOf(PART, into.size - first)
            scores.copyInto(most, 0, first, first + count)
            for (number in 1 until classes) {
                raise(
                    most,
                    count,
                    scores,
                    number * into.size + first,
                    into,
                    first,
                    number.toByte(),
                )
            }
        }
    }

    private fun raise(
        most: FloatArray,
        count: Int,
        scores: FloatArray,
        from: Int,
        into: ByteArray,
        to: Int,
        number: Byte,
    ) {
        for (pixel in 0 until count) {
            val score = scores[from + pixel]
            if (score > most[pixel]) {
                most[pixel] = score
                into[to + pixel] = number
            }
        }
    }

    private const val CLASSES = 256
    private const val PART = 1024
}
