package org.mobilekit.core

import java.io.InputStream

/** Part of a picture, in whole pixels. */
data class Box(
    val left: Int,
    val top: Int,
    val width: Int,
    val height: Int,
) {
    /** A box of a target's shape around this one, [margin] larger than it, moved and cut to lie in a picture. */
    fun widened(
        picture: Picture,
        rows: Int,
        columns: Int,
        margin: Double,
    ): Box {
        val largest = centred(picture, rows, columns)
        val unit = maxOf(width.toDouble() / columns, height.toDouble() / rows) * (1 + margin)
        val wide = Math.floor(columns * unit + 0.5).toInt().coerceIn(1, largest.width)
        val high = Math.floor(rows * unit + 0.5).toInt().coerceIn(1, largest.height)
        return Box(
            (left + (width - wide) / 2).coerceIn(0, picture.width - wide),
            (top + (height - high) / 2).coerceIn(0, picture.height - high),
            wide,
            high,
        )
    }

    companion object {
        /** The largest centred box of a target's shape, rounded to whole pixels, half up. */
        fun centred(
            picture: Picture,
            rows: Int,
            columns: Int,
        ): Box {
            // the narrower of width / columns and height / rows, as a fraction, so that halves are exact
            val across = picture.width.toLong() * rows <= picture.height.toLong() * columns
            val (part, whole) = if (across) picture.width to columns else picture.height to rows
            val width = rounded(columns, part, whole)
            val height = rounded(rows, part, whole)
            return Box((picture.width - width) / 2, (picture.height - height) / 2, width, height)
        }

        private fun rounded(
            size: Int,
            part: Int,
            whole: Int,
        ): Int = ((2L * size * part + whole) / (2L * whole)).toInt()
    }
}

/** A picture of 0xAARRGGBB pixels, row by row; alpha is not looked at. */
class Picture(
    val width: Int,
    val height: Int,
    val argb: IntArray,
) {
    init {
        if (width < 1 || height < 1 || argb.size != width * height) {
            throw ContractException("expected $width×$height pixels, found ${argb.size}")
        }
    }

    companion object {
        /** Reads a binary PPM picture (`P6`) with 255 levels. */
        fun ppm(stream: InputStream): Picture {
            val (magic, width, height, most) = List(4) { word(stream) }
            val sizes = listOfNotNull(width.toIntOrNull(), height.toIntOrNull())
            if (magic != "P6" || most != "255" || sizes.size < 2) throw ContractException("is no PPM picture of bytes")
            val bytes = stream.readBytes()
            if (bytes.size != CHANNELS * sizes[0] * sizes[1]) throw ContractException("the PPM picture is cut off")
            return Picture(sizes[0], sizes[1], IntArray(sizes[0] * sizes[1]) { colour(bytes, CHANNELS * it) })
        }

        /** A picture as golden vectors hold it, in colours or grey: `[1, 3 or 1, height, width]`. */
        fun of(
            stored: StoredArray,
            range: PixelRange = PixelRange.CAMERA,
        ): Picture {
            val sizes = stored.shape
            if (sizes.size != 4 || sizes[0] != 1 || sizes[1] !in setOf(1, CHANNELS)) {
                throw ContractException("expected a picture 1×3×height×width, found ${sizes.joinToString("×")}")
            }
            val pixels = sizes[2] * sizes[3]

            fun level(
                pixel: Int,
                part: Int,
            ): Int {
                val grey = sizes[1] == 1
                val value = stored.values[(if (grey) 0 else part * pixels) + pixel].toDouble()
                return Math.rint(range.level(value, if (grey) PixelRange.GREY else part)).toInt().coerceIn(0, 0xff)
            }
            val argb =
                IntArray(pixels) { pixel ->
                    (0 until CHANNELS).fold(0xff) { found, part -> found shl 8 or level(pixel, part) }
                }
            return Picture(sizes[3], sizes[2], argb)
        }

        private fun word(stream: InputStream): String {
            val found = StringBuilder()
            while (true) {
                val byte = stream.read()
                if (byte < 0 || Character.isWhitespace(byte)) return found.toString()
                found.append(byte.toChar())
            }
        }

        private fun colour(
            bytes: ByteArray,
            at: Int,
        ): Int = (0 until CHANNELS).fold(0xff) { found, part -> found shl 8 or (bytes[at + part].toInt() and 0xff) }

        private const val CHANNELS = 3
    }
}
