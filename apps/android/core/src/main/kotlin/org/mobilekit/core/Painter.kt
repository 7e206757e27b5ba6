package org.mobilekit.core

import kotlin.math.roundToInt

/** Makes a picture of a model's outputs: classes in their colours, or heat where it looks. */
class Painter(
    private val outputs: List<TensorSpec>,
    labels: List<String>,
    colours: List<String>,
) {
    private val maps = outputs.withIndex().filter { it.value.isImage }
    private val mask = maps.firstOrNull { it.value.imageSize().channels > 1 }
    private val heat = maps.firstOrNull { it.value.imageSize().channels == 1 }
    private val map = mask?.let { ColourMap.of(colours, it.value.imageSize().channels) }

    /** Names of the classes beside their colours, for a legend; without the background. */
    val legend: List<Pair<String, Int>> =
        (1 until (map?.size ?: 1)).map { labels.getOrElse(it) { number -> "class $number" } to map!![it] }

    /** Null for a model that gives neither a mask nor a map. */
    fun paint(values: List<FloatArray>): Overlay? {
        if (mask != null && map != null) {
            val size = mask.value.imageSize()
            return Overlay(size.width, size.height, map.paint(Mask.of(values[mask.index], mask.value)))
        }
        val size = heat?.value?.imageSize() ?: return null
        return Overlay(size.width, size.height, IntArray(size.width * size.height) { warm(values[heat.index][it]) })
    }

    /** Clear and dark at 0, red at a half, opaque and yellow at 1; nothing where a value is no number. */
    private fun warm(value: Float): Int {
        val heat = if (value.isNaN()) 0f else value.coerceIn(0f, 1f)
        val red = level(minOf(1f, 2 * heat))
        val green = level(maxOf(0f, 2 * heat - 1))
        return level(heat) shl ALPHA or (red shl RED) or (green shl GREEN)
    }

    private fun level(share: Float): Int = (MOST * share).roundToInt()

    private companion object {
        const val MOST = 255
        const val ALPHA = 24
        const val RED = 16
        const val GREEN = 8
    }
}
