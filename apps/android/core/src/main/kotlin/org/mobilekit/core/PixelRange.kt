package org.mobilekit.core

/** What becomes of a pixel's level before a file gets it. */
enum class PixelRange {
    /** Nothing: the graph normalizes levels 0–255 itself. */
    CAMERA,

    /** Standardized by ImageNet's statistics: what networks are given that were exported without a normalization. */
    STANDARDIZED,
    ;

    /** The value for a level of red (0), green (1), blue (2) or brightness ([GREY]). */
    fun value(
        level: Double,
        colour: Int,
    ): Double = if (this == CAMERA) level else (level / MOST - MEAN[colour]) / DEVIATION[colour]

    /** The level that a value stands for. */
    fun level(
        value: Double,
        colour: Int,
    ): Double = if (this == CAMERA) value else (value * DEVIATION[colour] + MEAN[colour]) * MOST

    companion object {
        const val GREY = 3
        private const val MOST = 255
        private val MEAN = doubleArrayOf(0.485, 0.456, 0.406, 0.0)
        private val DEVIATION = doubleArrayOf(0.229, 0.224, 0.225, 1.0)

        fun of(normalization: Normalization?): PixelRange = if (normalization == null) STANDARDIZED else CAMERA
    }
}
