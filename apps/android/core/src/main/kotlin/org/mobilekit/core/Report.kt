package org.mobilekit.core

import java.security.MessageDigest
import java.time.Instant
import java.time.temporal.ChronoUnit
import java.util.UUID

/** What a report says of the device; null where the system does not say. */
data class DeviceFacts(
    val manufacturer: String,
    val model: String,
    val soc: String,
    val os: String,
    val osVersion: String,
    val osBuild: String = "",
    val cpuCores: Int? = null,
    val ramMb: Double? = null,
    val lowPowerMode: Boolean? = null,
    val charging: Boolean? = null,
    val batteryLevel: Double? = null,
) {
    fun toJson(): Map<String, Any?> =
        present(
            "manufacturer" to manufacturer,
            "model" to model,
            "soc" to soc,
            "os" to os,
            "os_version" to osVersion,
            "os_build" to osBuild,
            "cpu_cores" to cpuCores,
            "ram_mb" to ramMb,
            "low_power_mode" to lowPowerMode,
            "charging" to charging,
            "battery_level" to batteryLevel,
        )
}

/** Which file ran. */
data class ModelFacts(
    val name: String,
    val variant: String,
    val file: String,
    val sha256: String,
    val sizeBytes: Long,
    val inputs: List<TensorSpec> = emptyList(),
    val outputs: List<TensorSpec> = emptyList(),
) {
    fun toJson(): Map<String, Any?> =
        mapOf(
            "name" to name,
            "variant" to variant,
            "file" to file,
            "sha256" to sha256,
            "size_bytes" to sizeBytes,
            "inputs" to inputs.map { it.toJson() },
            "outputs" to outputs.map { it.toJson() },
        )
}

/** Where a measurement was taken: `device`, `simulator` or `host`, and on which platform. */
data class Place(
    val platform: String,
    val kind: String,
)

/** One model on one device, measured once: `schemas/device-report.schema.json`. */
data class Report(
    val place: Place,
    val tool: String,
    val toolVersion: String,
    val device: DeviceFacts,
    val model: ModelFacts,
    val measurement: Measurement,
    val verification: Parity? = null,
    val errors: List<String> = emptyList(),
    val id: String = UUID.randomUUID().toString(),
    val createdAt: Instant = Instant.now(),
) {
    /** The report's text: keys sorted, no infinity, no not-a-number. */
    fun text(): String = Json.write(toJson())

    private fun toJson(): Map<String, Any?> =
        present(
            "schema_version" to SCHEMA_VERSION,
            "report_id" to id,
            "created_at" to createdAt.truncatedTo(ChronoUnit.MILLIS).toString(),
            "tool" to mapOf("name" to tool, "version" to toolVersion),
            "platform" to place.platform,
            "measurement_kind" to place.kind,
            "device" to device.toJson(),
            "runtime" to measurement.runtime.toJson(),
            "model" to model.toJson(),
            "protocol" to measurement.plan.toJson(measurement.timer),
            "latency" to latency(),
            "memory" to measurement.memoryMb,
            "thermal" to measurement.thermal.toJson(),
            "verification" to verification?.toJson(),
            "errors" to errors,
        )

    private fun latency(): Map<String, Any?> =
        present(
            "load_ns" to measurement.loadNs,
            "first_ns" to measurement.firstNs,
            "warmup_mean_ns" to measurement.warmupMeanNs,
            "inference" to distribution(measurement.inferenceNs),
            "preprocess" to distribution(measurement.preprocessNs),
            "postprocess" to distribution(measurement.postprocessNs),
            "end_to_end" to distribution(measurement.endToEndNs),
        )

    private fun distribution(samplesNs: List<Long>): Map<String, Any?>? {
        if (samplesNs.isEmpty()) return null
        return mapOf("samples_ns" to samplesNs, "summary" to summarize(samplesNs).toJson())
    }

    private companion object {
        const val SCHEMA_VERSION = 1
    }
}

/** A map of what is not null. */
internal fun present(vararg members: Pair<String, Any?>): Map<String, Any?> =
    members.filter { it.second != null }.toMap()

/** SHA-256 of bytes, in hexadecimal. */
fun sha256Of(bytes: ByteArray): String =
    MessageDigest.getInstance("SHA-256").digest(bytes).joinToString("") { "%02x".format(it) }
