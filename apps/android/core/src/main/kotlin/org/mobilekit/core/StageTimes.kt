package org.mobilekit.core

/** Parts of the way from a camera's frame to what is shown. */
enum class Stage { DETECTION, PREPROCESSING, INFERENCE, COLOURING }

/** How long the stages of the last frames took. */
class StageTimes(
    private val most: Int = FRAMES,
) {
    private val kept = Stage.entries.associateWith { ArrayDeque<Long>() }
    private val totals = ArrayDeque<Long>()

    /** Takes a frame in which a face was found: others would make the stages look faster than they are. */
    fun add(answer: FrameAnswer) {
        if (answer.box == null) return
        for ((stage, time) in answer.times) keep(kept.getValue(stage), time)
        keep(totals, answer.times.values.sum())
    }

    /** Of the last frames; null before the first. */
    fun summary(stage: Stage): Summary? = summaryOf(kept.getValue(stage))

    /** Of all stages of a frame together. */
    fun total(): Summary? = summaryOf(totals)

    private fun keep(
        samples: ArrayDeque<Long>,
        time: Long,
    ) {
        samples.addLast(time)
        if (samples.size > most) samples.removeFirst()
    }

    private fun summaryOf(samples: ArrayDeque<Long>): Summary? = if (samples.isEmpty()) null else summarize(samples)

    private companion object {
        const val FRAMES = 100
    }
}
