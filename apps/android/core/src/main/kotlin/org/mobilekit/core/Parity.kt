package org.mobilekit.core

import kotlin.math.abs
import kotlin.math.log10

/** How outputs compare with the golden vectors of an artifact. */
data class Parity(
    val referenceSha256: String,
    val maxAbs: Double,
    val sqnrDb: Double,
    val argmaxAgreement: Double?,
    val passed: Boolean,
) {
    fun toJson(): Map<String, Any?> =
        present(
            "reference_sha256" to referenceSha256,
            "max_abs" to maxAbs,
            "argmax_agreement" to argmaxAgreement,
            "passed" to passed,
        )

    companion object {
        /** Compares all outputs of all sets; a set passes at the signal-to-noise ratio that the manifest asks for. */
        fun of(
            compared: List<Compared>,
            referenceSha256: String,
        ): Parity {
            if (compared.isEmpty()) throw ContractException("there are no golden vectors to compare with")
            val decided = compared.sumOf { it.decided }
            return Parity(
                referenceSha256,
                compared.maxOf { it.maxAbs },
                compared.minOf { it.sqnrDb },
                if (decided == 0) null else compared.sumOf { it.agreed }.toDouble() / decided,
                compared.all { it.passed },
            )
        }
    }
}

/** One output beside what it should be. */
data class Compared(
    val output: String,
    val maxAbs: Double,
    val sqnrDb: Double,
    val decided: Int,
    val agreed: Int,
    val leastSqnrDb: Double,
) {
    val passed: Boolean get() = sqnrDb >= leastSqnrDb

    companion object {
        /** Compares values in the file's layout with golden ones of the network's. */
        fun of(
            found: FloatArray,
            spec: TensorSpec,
            golden: StoredArray,
            leastSqnrDb: Double,
        ): Compared {
            val expected = Axes.toFile(golden.values, golden.shape, spec)
            if (found.size != expected.size) {
                throw ContractException("${spec.name}: expected ${expected.size} values, found ${found.size}")
            }
            var signal = 0.0
            var noise = 0.0
            var most = 0.0
            for (at in found.indices) {
                val difference = expected[at].toDouble() - found[at]
                if (!difference.isFinite()) throw ContractException("${spec.name}: a value is not finite")
                signal += expected[at].toDouble() * expected[at]
                noise += difference * difference
                most = maxOf(most, abs(difference))
            }
            val (decided, agreed) = agreement(found, expected, spec)
            return Compared(spec.name, most, decibels(signal, noise), decided, agreed, leastSqnrDb)
        }

        /** Where nothing differs, the ratio is that of float32's own rounding: JSON has no infinity. */
        private fun decibels(
            signal: Double,
            noise: Double,
        ): Double = if (noise == 0.0) EXACT_DB else minOf(EXACT_DB, 10 * log10(signal / noise))

        private fun agreement(
            found: FloatArray,
            expected: FloatArray,
            spec: TensorSpec,
        ): Pair<Int, Int> {
            val winners =
                when {
                    spec.isImage && spec.imageSize().channels > 1 -> {
                        Mask.of(found, spec).zip(Mask.of(expected, spec)).map { (one, other) -> one == other }
                    }

                    spec.shape.size == 2 && spec.elements > 1 -> {
                        listOf(winner(found) == winner(expected))
                    }

                    else -> {
                        emptyList()
                    }
                }
            return winners.size to winners.count { it }
        }

        private fun winner(values: FloatArray): Int = values.indices.maxBy { values[it] }

        private const val EXACT_DB = 200.0
    }
}
