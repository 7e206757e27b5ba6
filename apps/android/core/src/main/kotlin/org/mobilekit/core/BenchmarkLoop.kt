package org.mobilekit.core

/** Where times come from. */
interface Clock {
    val name: String

    fun nowNs(): Long

    fun sleepMs(duration: Long)
}

/** The running time of this process's virtual machine. */
object MonotonicClock : Clock {
    override val name = "System.nanoTime"

    override fun nowNs(): Long = System.nanoTime()

    override fun sleepMs(duration: Long) = Thread.sleep(duration)
}

/** How a model is measured. */
data class Plan(
    val warmupRuns: Int,
    val runs: Int,
    val input: String,
    val interRunDelayMs: Long = 0,
) {
    init {
        if (runs < 1 || warmupRuns < 0 || interRunDelayMs < 0) {
            throw ContractException("expected at least one run and no negative numbers, found $this")
        }
    }

    fun toJson(timer: String): Map<String, Any?> =
        mapOf(
            "warmup_runs" to warmupRuns,
            "runs" to runs,
            "input" to input,
            "inter_run_delay_ms" to interRunDelayMs,
            "timer" to timer,
            "sync" to "readback",
        )
}

/** What is done before and after a run, beside the model; nothing where there is no such stage. */
class Stages(
    val before: (() -> List<FloatArray>)? = null,
    val after: ((List<FloatArray>) -> Unit)? = null,
)

/** What a system says of itself between the runs; null where it does not. */
class Vitals(
    val thermal: () -> Thermal? = { null },
    val memoryMb: () -> Double? = { null },
)

/** What one measurement gave. */
class Measurement(
    val plan: Plan,
    val timer: String,
    val loadNs: Long,
    val firstNs: Long,
    val warmupMeanNs: Double?,
    val inferenceNs: List<Long>,
    val preprocessNs: List<Long>,
    val postprocessNs: List<Long>,
    val endToEndNs: List<Long>,
    val memoryMb: Map<String, Any?>,
    val thermal: ThermalCourse,
    val runtime: RuntimeFacts,
)

/** Somebody asked to end a measurement before its last run. */
class CancelledException : Exception("the measurement was cancelled")

/** Measures a model: load, first run, warm-up, timed runs. */
class BenchmarkLoop(
    private val clock: Clock = MonotonicClock,
    private val vitals: Vitals = Vitals(),
    private val cancelled: () -> Boolean = { false },
    private val progress: (Int) -> Unit = {},
) {
    /** Loads the model, measures it, and closes it; [stages] is asked for the loaded model's. */
    fun measure(
        plan: Plan,
        load: () -> InferenceEngine,
        stages: (InferenceEngine) -> Stages = { Stages() },
    ): Measurement {
        val before = vitals.memoryMb()
        val start = clock.nowNs()
        return load().use { engine ->
            val loadNs = clock.nowNs() - start
            // asked now: the runtime may have to look for what it said while it loaded this model
            val facts = engine.facts
            Session(plan, engine, stages(engine), facts).whole(loadNs, before, vitals.memoryMb())
        }
    }

    private inner class Session(
        private val plan: Plan,
        private val engine: InferenceEngine,
        private val stages: Stages,
        private val facts: RuntimeFacts,
    ) {
        private val noise = noiseFor(engine.inputs)
        private val preprocess = ArrayList<Long>()
        private val inference = ArrayList<Long>()
        private val postprocess = ArrayList<Long>()
        private val endToEnd = ArrayList<Long>()
        private val thermal = ThermalCourse()
        private var peakMb: Double? = null
        private var lookedNs = 0L

        fun whole(
            loadNs: Long,
            beforeMb: Double?,
            afterMb: Double?,
        ): Measurement {
            peakMb = listOfNotNull(beforeMb, afterMb).maxOrNull()
            val first = untimed()
            val warm = List(plan.warmupRuns) { untimed() }
            val start = clock.nowNs()
            look(start)
            repeat(plan.runs) { number ->
                pause(number)
                if (clock.nowNs() - lookedNs >= LOOK_EVERY_NS) look(start)
                timed()
                progress(number + 1)
            }
            look(start)
            return Measurement(
                plan,
                clock.name,
                loadNs,
                first,
                if (warm.isEmpty()) null else warm.average(),
                inference,
                preprocess,
                postprocess,
                endToEnd,
                memory(beforeMb, afterMb),
                thermal,
                facts,
            )
        }

        private fun memory(
            beforeMb: Double?,
            afterMb: Double?,
        ): Map<String, Any?> = present("before_load_mb" to beforeMb, "after_load_mb" to afterMb, "peak_mb" to peakMb)

        private fun pause(number: Int) {
            if (number > 0 && plan.interRunDelayMs > 0) clock.sleepMs(plan.interRunDelayMs)
        }

        /** Takes time of its own, in which a processor rests: not between any two runs. */
        private fun look(start: Long) {
            lookedNs = clock.nowNs()
            thermal.add((lookedNs - start) / NS_PER_MS, vitals.thermal())
            peakMb = listOfNotNull(peakMb, vitals.memoryMb()).maxOrNull()
        }

        private fun untimed(): Long {
            if (cancelled()) throw CancelledException()
            val values = stages.before?.invoke() ?: noise
            val start = clock.nowNs()
            engine.run(values)
            return clock.nowNs() - start
        }

        private fun timed() {
            if (cancelled()) throw CancelledException()
            val start = clock.nowNs()
            val values = stages.before?.invoke() ?: noise
            val ready = clock.nowNs()
            val outputs = engine.run(values)
            val done = clock.nowNs()
            stages.after?.invoke(outputs)
            val end = clock.nowNs()
            inference.add(done - ready)
            if (stages.before != null) preprocess.add(ready - start)
            if (stages.after != null) postprocess.add(end - done)
            if (stages.before != null || stages.after != null) endToEnd.add(end - start)
        }
    }

    companion object {
        private const val NS_PER_MS = 1_000_000
        private const val SEED = 0
        private const val LOOK_EVERY_NS = 1_000_000_000L

        /** What [noiseFor] is called in a report. */
        const val NOISE = "random:seed=0"

        /** Levels 0–255, the same ones each time, for models that nobody shows a picture. */
        fun noiseFor(inputs: List<TensorSpec>): List<FloatArray> {
            val generator = java.util.Random(SEED.toLong())
            return inputs.map { spec -> FloatArray(spec.elements) { generator.nextInt(256).toFloat() } }
        }
    }
}
