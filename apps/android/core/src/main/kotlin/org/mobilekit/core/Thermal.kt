package org.mobilekit.core

/** Android's thermal states, by growing heat; the ordinal is Android's own number. */
enum class Thermal {
    NONE,
    LIGHT,
    MODERATE,
    SEVERE,
    CRITICAL,
    EMERGENCY,
    SHUTDOWN,
    ;

    val word: String get() = name.lowercase()

    companion object {
        /** The state of one of Android's numbers. */
        fun of(number: Int): Thermal =
            entries.getOrNull(number) ?: throw ContractException("expected a thermal state 0–6, found $number")
    }
}

/** The state at one moment since the first timed run. */
data class ThermalSample(
    val atMs: Long,
    val state: Thermal,
) {
    fun toJson(): Map<String, Any?> = mapOf("at_ms" to atMs, "state" to state.word)
}

/** The heat during the timed runs; only changes are kept. */
class ThermalCourse {
    private val kept = ArrayList<ThermalSample>()
    private var last: Thermal? = null

    fun add(
        atMs: Long,
        state: Thermal?,
    ) {
        if (state != null && state != last) kept.add(ThermalSample(atMs, state))
        last = state ?: last
    }

    /** Null where the system never said how hot it is. */
    fun toJson(): Map<String, Any?>? {
        if (kept.isEmpty()) return null
        return mapOf(
            "start" to kept.first().state.word,
            "end" to kept.last().state.word,
            "max" to kept.maxOf { it.state }.word,
            "samples" to kept.map { it.toJson() },
        )
    }
}
