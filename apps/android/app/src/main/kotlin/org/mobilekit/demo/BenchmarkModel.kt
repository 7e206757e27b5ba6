package org.mobilekit.demo

import android.content.Context
import androidx.compose.runtime.getValue
import androidx.compose.runtime.mutableFloatStateOf
import androidx.compose.runtime.mutableIntStateOf
import androidx.compose.runtime.mutableStateOf
import androidx.compose.runtime.setValue
import org.mobilekit.core.Report
import java.util.concurrent.Executors
import java.util.concurrent.atomic.AtomicBoolean

/** One measurement at a time of the chosen model, and the reports so far. */
class BenchmarkModel(
    context: Context,
    private val store: ModelStore,
    private val choice: Choice,
) : AutoCloseable {
    private val phone = ThisPhone(context)
    private val worker = Executors.newSingleThreadExecutor()
    private val cancelled = AtomicBoolean()

    var runs: Int by mutableIntStateOf(RUNS.first())
    var progress: Float by mutableFloatStateOf(0f)
        private set
    var running: Boolean by mutableStateOf(false)
        private set
    var kept: List<Kept> by mutableStateOf(emptyList())
        private set
    var problem: String? by mutableStateOf(null)
        private set

    /** A report and what it is of. */
    class Kept(
        val title: String,
        val report: Report,
    )

    fun start() {
        val chosen = choice.chosen ?: return
        val asked = runs
        running = true
        progress = 0f
        cancelled.set(false)
        worker.execute {
            problem = attempt { measure(chosen, asked) }
            running = false
        }
    }

    private fun measure(
        chosen: Chosen,
        asked: Int,
    ) {
        val measuring = Measuring(phone, store, cancelled::get) { progress = it.toFloat() / asked }
        kept = listOf(Kept("${chosen.name}, ${chosen.unit.uppercase()}", measuring.bundled(chosen, asked))) + kept
    }

    fun cancel() = cancelled.set(true)

    override fun close() {
        cancel()
        worker.shutdown()
    }

    companion object {
        val RUNS = listOf(50, 200, 1000)
    }
}
