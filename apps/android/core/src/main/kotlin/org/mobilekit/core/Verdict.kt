package org.mobilekit.core

/** What a model that scores whole pictures says of one: how likely it is forged, or its class. */
internal class Verdict(
    private val labels: List<String>,
    outputs: List<TensorSpec>,
) {
    private val forgery = if (ForgeryScore.isFor(labels)) ForgeryScore(labels) else null
    private val scores = outputs.indexOfFirst(::areScores)

    private fun areScores(spec: TensorSpec): Boolean {
        val count = spec.shape.lastOrNull() ?: 0
        return spec.shape == listOf(1, count) && if (labels.isEmpty()) count > 1 else count == labels.size
    }

    /** Mean over the last faces; null for a model that does not tell forged ones. */
    fun forgery(outputs: List<FloatArray>): Double? = if (scores < 0) null else forgery?.add(outputs[scores])

    /** The class with the largest score; null for a model that has none, or whose score is that of a forgery. */
    fun label(outputs: List<FloatArray>): String? {
        if (scores < 0 || forgery != null) return null
        val winner = outputs[scores].indices.maxBy { outputs[scores][it] }
        return labels.getOrElse(winner) { "class $it" }
    }
}
