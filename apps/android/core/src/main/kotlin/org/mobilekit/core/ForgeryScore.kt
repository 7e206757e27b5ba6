package org.mobilekit.core

import kotlin.math.exp

/** How likely a face is forged: the mean over frames, within bounds, as no answer is certain. */
class ForgeryScore(
    private val labels: List<String>,
    private val most: Int = FRAMES,
) {
    private val scores = ArrayDeque<Double>()

    init {
        if (FAKE !in labels) {
            throw ContractException("expected a model with a class $FAKE; its classes: ${labels.joinToString()}")
        }
    }

    /** Probability of the class `fake` in the scores of one frame: their soft-max. */
    fun ofFrame(logits: FloatArray): Double {
        if (logits.size != labels.size) {
            throw ContractException("expected ${labels.size} scores, found ${logits.size}")
        }
        val highest = logits.max()
        val powers = logits.map { exp((it - highest).toDouble()) }
        return powers[labels.indexOf(FAKE)] / powers.sum()
    }

    /** Takes a frame; returns the score of the last [most] ones. */
    fun add(logits: FloatArray): Double {
        scores.addLast(ofFrame(logits))
        if (scores.size > most) scores.removeFirst()
        return mean(scores)
    }

    companion object {
        const val FAKE = "fake"
        private const val FRAMES = 30
        private const val LEAST = 0.001
        private const val MOST = 0.999

        fun isFor(labels: List<String>): Boolean = FAKE in labels

        fun mean(scores: Collection<Double>): Double = scores.average().coerceIn(LEAST, MOST)
    }
}
