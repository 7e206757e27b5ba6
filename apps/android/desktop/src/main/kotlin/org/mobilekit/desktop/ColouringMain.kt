package org.mobilekit.desktop

import org.mobilekit.core.ColourMap
import org.mobilekit.core.Layout
import org.mobilekit.core.Mask
import org.mobilekit.core.TensorSpec
import org.mobilekit.core.summarize
import java.lang.management.ManagementFactory
import java.util.Random
import kotlin.system.exitProcess

/**
 * Times the way from scores to colours of a 256×256 mask of ten classes, on one thread: `ColouringMain MOST_MS`.
 *
 * What counts is the thread's own processor time, as others use this computer too.
 */
object ColouringMain {
    private const val SIDE = 256
    private const val CLASSES = 10
    private const val WARMUP = 300
    private const val RUNS = 500
    private const val NS_PER_MS = 1e6
    private val threads = ManagementFactory.getThreadMXBean()

    @JvmStatic
    fun main(arguments: Array<String>) {
        val most = arguments[0].toDouble()
        val medians =
            mapOf(
                "NHWC" to medianMs(TensorSpec("logits", listOf(1, SIDE, SIDE, CLASSES), layout = Layout.NHWC)),
                "NCHW" to medianMs(TensorSpec("logits", listOf(1, CLASSES, SIDE, SIDE), layout = Layout.NCHW)),
            )
        println(medians.entries.joinToString { (layout, median) -> "$layout %.2f ms".format(median) })
        if (medians.values.any { it > most }) exitProcess(1)
    }

    private fun medianMs(spec: TensorSpec): Double {
        val generator = Random(0)
        val scores = FloatArray(spec.elements) { generator.nextGaussian().toFloat() }
        val map = ColourMap.of(emptyList(), CLASSES)
        val mask = ByteArray(SIDE * SIDE)
        val colours = IntArray(SIDE * SIDE)
        var sum = 0L
        val times =
            List(WARMUP + RUNS) {
                val start = threads.currentThreadCpuTime
                map.paint(Mask.of(scores, spec, mask), colours)
                val time = threads.currentThreadCpuTime - start
                sum += colours[it]
                time
            }
        check(sum != 0L) { "nothing was coloured" }
        return summarize(times.drop(WARMUP)).p50Ns / NS_PER_MS
    }
}
