package org.mobilekit.core

import kotlin.math.sqrt

/** Statistics of samples: nearest-rank percentiles; the standard deviation divides by n. */
data class Summary(
    val n: Int,
    val meanNs: Double,
    val stddevNs: Double,
    val minNs: Long,
    val p50Ns: Long,
    val p90Ns: Long,
    val p95Ns: Long,
    val p99Ns: Long,
    val maxNs: Long,
) {
    fun toJson(): Map<String, Any?> =
        mapOf(
            "n" to n,
            "mean_ns" to meanNs,
            "stddev_ns" to stddevNs,
            "min_ns" to minNs,
            "p50_ns" to p50Ns,
            "p90_ns" to p90Ns,
            "p95_ns" to p95Ns,
            "p99_ns" to p99Ns,
            "max_ns" to maxNs,
        )
}

/** Derives the statistics of samples by the one rule that every part of mobilekit follows. */
fun summarize(samplesNs: List<Long>): Summary {
    if (samplesNs.isEmpty()) throw ContractException("expected at least one sample, found none")
    val sorted = samplesNs.sorted()
    // sums of differences from the least sample are exact, where those of large samples are not
    val least = sorted.first()
    val shift = sorted.sumOf { it - least }.toDouble() / sorted.size
    val squares = sorted.sumOf { (it - least - shift) * (it - least - shift) }
    return Summary(
        n = sorted.size,
        meanNs = least + shift,
        stddevNs = sqrt(squares / sorted.size),
        minNs = least,
        p50Ns = nearestRank(sorted, 50),
        p90Ns = nearestRank(sorted, 90),
        p95Ns = nearestRank(sorted, 95),
        p99Ns = nearestRank(sorted, 99),
        maxNs = sorted.last(),
    )
}

/** The smallest of the sorted samples with at least [percent] % of them at or below it. */
fun nearestRank(
    sorted: List<Long>,
    percent: Int,
): Long {
    val rank = (percent * sorted.size + 99) / 100
    return sorted[maxOf(rank, 1) - 1]
}
