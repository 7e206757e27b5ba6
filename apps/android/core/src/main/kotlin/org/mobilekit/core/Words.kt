package org.mobilekit.core

import java.util.Locale

/** Numbers as people read them. */
object Words {
    /** Rows of what a measurement gave. */
    fun of(report: Report): List<Pair<String, String>> {
        val measurement = report.measurement
        val found = summarize(measurement.inferenceNs)
        val memory = measurement.memoryMb["peak_mb"] as Double?
        val heat = measurement.thermal.toJson()?.get("max") as String?
        return listOf(
            "cold load" to ms(measurement.loadNs),
            "first run" to ms(measurement.firstNs),
            "warm-up, mean of ${measurement.plan.warmupRuns}" to ms(measurement.warmupMeanNs?.toLong()),
            "inference p50" to ms(found.p50Ns),
            "inference p90" to ms(found.p90Ns),
            "inference p99" to ms(found.p99Ns),
            "pre-processing p50" to median(measurement.preprocessNs),
            "post-processing p50" to median(measurement.postprocessNs),
            "all stages p50" to median(measurement.endToEndNs),
            "memory at most" to if (memory == null) "–" else String.format(Locale.ROOT, "%.1f MB", memory),
            "heat at most" to (heat ?: "–"),
            "equal to the network" to (report.verification?.let(::of) ?: "–"),
        ) + of(measurement.runtime)
    }

    /** Rows of a stage's name with its median and 90th percentile over the last frames, the total last. */
    fun of(times: StageTimes): List<Pair<String, String>> =
        listOf("stage" to "p50, p90") +
            Stage.entries.map { it.name.lowercase() to both(times.summary(it)) } +
            ("total" to both(times.total()))

    /** How near outputs are to golden vectors. */
    fun of(parity: Parity): String {
        val verdict = if (parity.passed) "yes" else "NO"
        val near = String.format(Locale.ROOT, "%.1f dB, at most %.3g apart", parity.sqnrDb, parity.maxAbs)
        val agreement = parity.argmaxAgreement?.let { String.format(Locale.ROOT, ", same class at %.4f", it) }
        return "$verdict, $near${agreement.orEmpty()}"
    }

    /** What a model says of a face, where it says so in a number or a word. */
    fun of(answer: FrameAnswer): List<Pair<String, String>> =
        listOfNotNull(
            answer.forgery?.let { "forged" to String.format(Locale.ROOT, "%.3f", it) },
            answer.label?.let { "class" to it },
        )

    /** Where a model ran, as far as the runtime said. */
    fun of(facts: RuntimeFacts): List<Pair<String, String>> {
        val delegate = facts.delegate
        return listOf(
            "asked for" to facts.requested.joinToString() + if (facts.strict) " alone" else " or the CPU",
            "operators there" to
                if (delegate ==
                    null
                ) {
                    "not said"
                } else {
                    "${delegate.delegated} of ${delegate.nodes}, ${delegate.partitions} parts"
                },
        )
    }

    private fun ms(ns: Long?): String = if (ns == null) "–" else String.format(Locale.ROOT, "%.1f ms", ns / NS_PER_MS)

    private fun both(found: Summary?): String = if (found == null) "–" else "${ms(found.p50Ns)}, ${ms(found.p90Ns)}"

    private fun median(samples: List<Long>): String = ms(if (samples.isEmpty()) null else summarize(samples).p50Ns)

    private const val NS_PER_MS = 1e6
}
