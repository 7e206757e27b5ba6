package org.mobilekit.core

/** What a runtime says of itself, and of where a model runs. */
data class RuntimeFacts(
    val name: String,
    val version: String,
    val api: String,
    val requested: List<String>,
    val strict: Boolean,
    val numThreads: Int?,
    val delegate: Delegate? = null,
    /** Whether the delegate took every operator; null where nobody recorded it. */
    val fullyAccelerated: Boolean? = delegate?.let { it.delegated == it.nodes },
) {
    fun toJson(): Map<String, Any?> =
        present(
            "name" to name,
            "version" to version,
            "api" to api,
            "requested" to requested,
            "strict" to strict,
            "num_threads" to numThreads,
            "fully_accelerated" to fullyAccelerated,
            "delegate" to delegate?.toJson(),
        )
}

/** A loaded model. A run's time holds the writing of the inputs and the reading of the outputs. */
interface InferenceEngine : AutoCloseable {
    val inputs: List<TensorSpec>
    val outputs: List<TensorSpec>
    val facts: RuntimeFacts

    /** Values of the outputs, in their order, for those of the inputs, in theirs. */
    fun run(values: List<FloatArray>): List<FloatArray>
}
