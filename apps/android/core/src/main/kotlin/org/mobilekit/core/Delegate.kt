package org.mobilekit.core

/** How much of a graph LiteRT's delegates took. */
data class Delegate(
    val nodes: Int,
    val delegated: Int,
    val partitions: Int,
) {
    fun toJson(): Map<String, Any?> = mapOf("nodes" to nodes, "delegated" to delegated, "partitions" to partitions)

    companion object {
        private val line =
            Regex(
                """Replacing (\d+) out of (\d+) node\(s\) with delegate \(([^)]*)\) node, yielding (\d+) partitions""",
            )
        private val units =
            mapOf(
                "cpu" to listOf("xnnpack"),
                "gpu" to listOf("gpu", "ml_drift", "litert_cl"),
                "npu" to listOf("dispatch"),
            )

        /** Reads what LiteRT logged while it compiled a model for a unit; null where it said nothing of that unit. */
        fun fromLog(
            lines: Iterable<String>,
            unit: String,
        ): Delegate? {
            val found =
                lines.mapNotNull { line.find(it) }.filter { match ->
                    units[unit].orEmpty().any { it in match.groupValues[3].lowercase() }
                }
            // later lines are of graphs from which earlier delegates already took their part
            val nodes =
                found
                    .firstOrNull()
                    ?.groupValues
                    ?.get(2)
                    ?.toInt() ?: return null
            val delegated = found.sumOf { it.groupValues[1].toInt() }
            return Delegate(nodes, minOf(nodes, delegated), found.last().groupValues[4].toInt())
        }
    }
}
