package org.mobilekit.core

/**
 * Cuts a box out of a picture and resizes it by a triangle filter into an input's floats.
 *
 * An input of one channel gets the brightness. Weights are kept between pictures of one size.
 */
class Preprocess(
    private val spec: TensorSpec,
    private val range: PixelRange = PixelRange.CAMERA,
) {
    private val size = spec.imageSize()
    private val grey = size.channels == 1 && spec.keptChannels == null
    private val channels = spec.keptChannels ?: (0 until size.channels).toList()
    private var across: Filter? = null
    private var down: Filter? = null
    private var lines = DoubleArray(0)
    private val values = FloatArray(spec.elements)

    init {
        if (channels.size != size.channels || channels.any { it !in 0 until COLOURS }) {
            throw ContractException("${spec.name}: expected channels of a colour picture, found ${spec.described()}")
        }
    }

    /** The box that is cut where nobody says which: the largest centred one. */
    fun centred(picture: Picture): Box = Box.centred(picture, size.height, size.width)

    /** The box around a face, of the input's shape. */
    fun around(
        picture: Picture,
        face: Box,
    ): Box = face.widened(picture, size.height, size.width, MARGIN)

    /** Values in the input's layout; the array is used again by the next call. Integers are rounded, half up. */
    fun values(
        picture: Picture,
        box: Box = centred(picture),
    ): FloatArray {
        val inside = box.left >= 0 && box.top >= 0 && box.width > 0 && box.height > 0
        if (!inside || box.left + box.width > picture.width || box.top + box.height > picture.height) {
            throw ContractException("$box is not in a picture of ${picture.width}×${picture.height}")
        }
        val across = Filter.cached(this.across, box.width, size.width).also { this.across = it }
        val down = Filter.cached(this.down, box.height, size.height).also { this.down = it }
        val needed = COLOURS * box.height * size.width
        if (lines.size < needed) lines = DoubleArray(needed)
        for (row in 0 until box.height) alongRow(picture, box, row, across)
        for (row in 0 until size.height) alongColumns(row, down)
        return values
    }

    private fun alongRow(
        picture: Picture,
        box: Box,
        row: Int,
        filter: Filter,
    ) {
        val start = (box.top + row) * picture.width + box.left
        var to = row * COLOURS * size.width
        for (column in 0 until size.width) {
            var red = 0.0
            var green = 0.0
            var blue = 0.0
            val first = filter.first[column]
            for (tap in 0 until filter.taps) {
                val weight = filter.weights[column * filter.taps + tap]
                if (weight == 0.0) continue
                val pixel = picture.argb[start + first + tap]
                red += weight * (pixel ushr 16 and 0xff)
                green += weight * (pixel ushr 8 and 0xff)
                blue += weight * (pixel and 0xff)
            }
            lines[to++] = if (grey) RED_SHARE * red + GREEN_SHARE * green + BLUE_SHARE * blue else red
            lines[to++] = green
            lines[to++] = blue
        }
    }

    private fun alongColumns(
        row: Int,
        filter: Filter,
    ) {
        val stride = COLOURS * size.width
        val first = filter.first[row] * stride
        for (column in 0 until size.width) {
            for (channel in channels.indices) {
                var sum = 0.0
                var from = first + COLOURS * column + channels[channel]
                for (tap in 0 until filter.taps) {
                    val weight = filter.weights[row * filter.taps + tap]
                    if (weight != 0.0) sum += weight * lines[from]
                    from += stride
                }
                values[place(row, column, channel)] = value(sum, if (grey) PixelRange.GREY else channels[channel])
            }
        }
    }

    private fun place(
        row: Int,
        column: Int,
        channel: Int,
    ): Int =
        if (spec.layout == Layout.NHWC) {
            (row * size.width + column) * size.channels + channel
        } else {
            (channel * size.height + row) * size.width + column
        }

    private fun value(
        level: Double,
        colour: Int,
    ): Float = if (spec.dtype == "uint8") Math.floor(level + 0.5).toFloat() else range.value(level, colour).toFloat()

    private companion object {
        const val COLOURS = 3
        const val RED_SHARE = 0.299
        const val GREEN_SHARE = 0.587
        const val BLUE_SHARE = 0.114

        /** How much larger than a face its box is. */
        const val MARGIN = 0.3
    }
}

/** Triangle filter from one length to another: for each target the first source and the weights from there on. */
internal class Filter(
    private val source: Int,
    private val target: Int,
) {
    private val step = source.toDouble() / target
    private val reach = maxOf(step, 1.0)

    /** Most sources that a target has. */
    val taps: Int = minOf(source, Math.ceil(2 * reach).toInt() + 1)
    val first = IntArray(target) { firstOf(it) }
    val weights = DoubleArray(target * taps)

    init {
        for (at in 0 until target) {
            val found = DoubleArray(taps) { maxOf(0.0, 1 - Math.abs(first[at] + it + 0.5 - centre(at)) / reach) }
            val sum = found.sum()
            for (tap in 0 until taps) weights[at * taps + tap] = found[tap] / sum
        }
    }

    private fun centre(at: Int): Double = (at + 0.5) * step

    private fun firstOf(at: Int): Int =
        Math
            .floor(centre(at) - reach - 0.5)
            .toInt()
            .plus(1)
            .coerceIn(0, source - taps)

    companion object {
        fun cached(
            known: Filter?,
            source: Int,
            target: Int,
        ): Filter = known?.takeIf { it.source == source && it.target == target } ?: Filter(source, target)
    }
}
