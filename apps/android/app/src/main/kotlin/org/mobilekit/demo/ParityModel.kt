package org.mobilekit.demo

import android.graphics.Bitmap
import androidx.compose.runtime.getValue
import androidx.compose.runtime.mutableStateOf
import androidx.compose.runtime.setValue
import org.mobilekit.core.Box
import org.mobilekit.core.BundledRun
import org.mobilekit.core.GoldenCheck
import org.mobilekit.core.Words
import java.util.concurrent.Executors

/** Whether the chosen model gives on this phone, on each of its units, what it gave when it was exported. */
class ParityModel(
    private val store: ModelStore,
    private val choice: Choice,
) : AutoCloseable {
    private val worker = Executors.newSingleThreadExecutor()

    var rows: List<Pair<String, String>> by mutableStateOf(emptyList())
        private set
    var shown: Bitmap? by mutableStateOf(null)
        private set
    var running: Boolean by mutableStateOf(false)
        private set

    fun start() {
        val chosen = choice.chosen ?: return
        running = true
        rows = emptyList()
        shown = null
        worker.execute {
            for (unit in choice.units) compare(chosen.copy(unit = unit))
            running = false
        }
    }

    /** One unit; that a phone has none, or not for this model, is a row too. */
    private fun compare(chosen: Chosen) {
        val unit = chosen.unit.uppercase()
        val problem =
            attempt {
                store.load(chosen).use { engine ->
                    val parity = GoldenCheck(chosen.model, chosen.file).check(engine)
                    rows = rows + (unit to Words.of(parity)) + Words.of(engine.facts)
                    val run = BundledRun(chosen.model, chosen.file)
                    val whole = Box(0, 0, run.picture.width, run.picture.height)
                    shown = Pictures.covered(Pictures.bitmapOf(run.picture), whole, run.overlay(engine))
                }
            }
        if (problem != null) rows = rows + (unit to problem)
    }

    override fun close() = worker.shutdown()
}
