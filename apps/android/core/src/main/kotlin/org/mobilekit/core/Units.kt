package org.mobilekit.core

/** Processors that LiteRT has on Android, by their words in a report. */
object Units {
    val ALL = listOf("cpu", "gpu", "npu")

    /** Whether a model that was compiled for a unit alone runs there or fails: for the NPU LiteRT adds the CPU itself. */
    fun isStrict(unit: String): Boolean = unit != "npu"

    /** Refuses a unit beside which the CPU may have taken everything, unless the runtime said that it did not. */
    fun proven(
        unit: String,
        delegate: Delegate?,
    ): Delegate? {
        if (isStrict(unit) || delegate != null) return delegate
        throw ContractException(
            "nothing shows that the ${unit.uppercase()} took a part of this model: the CPU may run it all",
        )
    }

    /** `simulator` for Android's emulators, by the names that they give their hardware; else `device`. */
    fun kindOf(hardware: String): String = if (hardware in EMULATORS) "simulator" else "device"

    /** Least ratio in decibels for a unit: the GPU computes in floats of 16 bits, whatever the file holds. */
    fun leastSqnrDb(
        requested: List<String>,
        ofFile: Double,
    ): Double = if ("gpu" in requested) minOf(ofFile, FLOAT16_DB) else ofFile

    private const val FLOAT16_DB = 40.0
    private val EMULATORS = setOf("goldfish", "ranchu")
}
