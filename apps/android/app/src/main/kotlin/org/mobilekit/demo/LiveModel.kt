package org.mobilekit.demo

import android.content.Context
import android.graphics.Bitmap
import androidx.compose.runtime.getValue
import androidx.compose.runtime.mutableStateOf
import androidx.compose.runtime.setValue
import androidx.lifecycle.LifecycleOwner
import org.mobilekit.core.ContractException
import org.mobilekit.core.FramePipeline
import org.mobilekit.core.InferenceEngine
import org.mobilekit.core.StageTimes
import org.mobilekit.core.Words
import java.util.concurrent.Executors

/** The camera's frames with what the chosen model says of them. All work is done on one thread. */
class LiveModel(
    context: Context,
    private val store: ModelStore,
    private val choice: Choice,
) : AutoCloseable {
    private val worker = Executors.newSingleThreadExecutor()
    private val frames = Frames(context, worker)
    private val finder: FaceFinder = MlKitFaceFinder()

    @Volatile
    private var started = false
    private var loaded: Loaded? = null
    private var refused: Chosen? = null

    var facing: Facing by mutableStateOf(Facing.FRONT)
        private set
    var shown: Bitmap? by mutableStateOf(null)
        private set
    var verdict: List<Pair<String, String>> by mutableStateOf(emptyList())
        private set
    var rows: List<Pair<String, String>> by mutableStateOf(emptyList())
        private set
    var legend: List<Pair<String, Int>> by mutableStateOf(emptyList())
        private set
    var problem: String? by mutableStateOf(null)
        private set

    private class Loaded(
        val chosen: Chosen,
        val engine: InferenceEngine,
    ) {
        val pipeline = FramePipeline(chosen.model.manifest, chosen.file, engine)
        val times = StageTimes()
        val runtime = Words.of(engine.facts)
    }

    fun start(owner: LifecycleOwner) {
        started = true
        problem = null
        frames.start(owner, facing, { problem = it }, ::take)
    }

    fun stop() {
        started = false
        frames.stop()
        if (!worker.isShutdown) worker.execute(::unload)
    }

    /** Looks through the other camera; its frames are no sequel to those before. */
    fun turn(owner: LifecycleOwner) {
        facing = facing.other
        worker.execute { loaded?.pipeline?.reset() }
        start(owner)
    }

    /** A model that could not be loaded is not tried again with each frame. */
    private fun take(frame: Bitmap) {
        val chosen = choice.chosen
        if (!started || chosen == null || chosen == refused) return
        problem = attempt { show(frame, current(chosen)) }
        if (loaded?.chosen != chosen) refused = chosen
    }

    private fun show(
        frame: Bitmap,
        current: Loaded,
    ) {
        val start = System.nanoTime()
        val face = finder.find(frame)
        val answer = current.pipeline.answer({ Pictures.of(frame) }, face, System.nanoTime() - start)
        current.times.add(answer)
        shown = Pictures.covered(frame, answer.box, answer.overlay)
        verdict = Words.of(answer)
        rows = Words.of(current.times) + current.runtime
        legend = current.pipeline.legend
    }

    /** The chosen model, loaded; the one before is closed. */
    private fun current(chosen: Chosen): Loaded {
        loaded?.takeIf { it.chosen == chosen }?.let { return it }
        unload()
        val engine = store.load(chosen)
        return try {
            Loaded(chosen, engine).also { loaded = it }
        } catch (problem: ContractException) {
            engine.close()
            throw problem
        }
    }

    private fun unload() {
        loaded?.engine?.close()
        loaded = null
        refused = null
    }

    override fun close() {
        started = false
        worker.execute {
            unload()
            finder.close()
        }
        worker.shutdown()
    }
}
