package org.mobilekit.core

/** A colour per class, as 0xAARRGGBB: class 0 is transparent black, others have their colour at full alpha. */
class ColourMap(
    private val argb: IntArray,
) {
    val size: Int get() = argb.size

    operator fun get(number: Int): Int = argb[number]

    /** The colours of a mask's pixels, as Android's bitmaps take them. */
    fun paint(
        mask: ByteArray,
        into: IntArray = IntArray(mask.size),
    ): IntArray {
        for (pixel in mask.indices) into[pixel] = argb[mask[pixel].toInt() and BYTE]
        return into
    }

    companion object {
        /** Reads `#rrggbb` per class; where there is not one for each, hues a golden angle apart. */
        fun of(
            colours: List<String>,
            classes: Int,
        ): ColourMap {
            if (colours.size != classes) return ColourMap(IntArray(classes) { if (it == 0) 0 else hue(it) })
            return ColourMap(IntArray(classes) { if (it == 0) 0 else parsed(colours[it]) })
        }

        /** Straight RGBA bytes of colours, as the shared vectors have them. */
        fun rgba(argb: IntArray): IntArray =
            IntArray(PARTS * argb.size) {
                val shift = if (it % PARTS == PARTS - 1) ALPHA else RED - BITS * (it % PARTS)
                argb[it / PARTS] ushr shift and BYTE
            }

        private fun parsed(text: String): Int {
            val found = text.removePrefix("#").toIntOrNull(HEXADECIMAL)
            if (found == null || text.length != "#rrggbb".length) {
                throw ContractException("expected a colour #rrggbb, found $text")
            }
            return OPAQUE or found
        }

        private fun hue(number: Int): Int {
            val sixth = number * GOLDEN % 1 * SIXTHS
            val parts = doubleArrayOf(sixth + 5, sixth + 3, sixth + 1)
            return parts.fold(OPAQUE ushr ALPHA) { found, part -> found shl BITS or level(part % SIXTHS) }
        }

        /** Level of one part of a colour of saturation 0.75 and value 0.95, by its distance from the hue. */
        private fun level(part: Double): Int {
            val share = minOf(part, 4 - part).coerceIn(0.0, 1.0)
            return Math.rint(BYTE * VALUE * (1 - share * SATURATION)).toInt()
        }

        private const val PARTS = 4
        private const val BITS = 8
        private const val RED = 16
        private const val ALPHA = 24
        private const val BYTE = 255
        private const val HEXADECIMAL = 16
        private const val OPAQUE = 0xff shl ALPHA
        private const val GOLDEN = 0.618034
        private const val SIXTHS = 6
        private const val VALUE = 0.95
        private const val SATURATION = 0.75
    }
}
