@file:Suppress("unused", "UNUSED_PARAMETER", "UNREACHABLE_CODE")

package com.google.ai.edge.litert

import android.content.Context

open class LiteRtException : Exception()

enum class Accelerator { NONE, CPU, GPU, NPU }

interface NpuAcceleratorProvider

class BuiltinNpuAcceleratorProvider(
    context: Context,
) : NpuAcceleratorProvider

abstract class JniHandle : AutoCloseable {
    override fun close(): Unit = error("declared only")
}

class TensorBuffer private constructor() : JniHandle() {
    fun writeFloat(data: FloatArray): Unit = error("declared only")

    fun writeInt8(data: ByteArray): Unit = error("declared only")

    fun readFloat(): FloatArray = error("declared only")

    fun readInt8(): ByteArray = error("declared only")
}

class Environment private constructor() : JniHandle() {
    enum class Option { CompilerPluginLibraryDir, DispatchLibraryDir }

    companion object {
        @JvmStatic
        fun create(options: Map<Option, String> = mapOf()): Environment = error("declared only")

        @JvmStatic
        fun create(
            npuAcceleratorProvider: NpuAcceleratorProvider,
            options: Map<Option, String> = mapOf(),
        ): Environment = error("declared only")
    }
}

class CompiledModel private constructor() : JniHandle() {
    data class CpuOptions(
        val numThreads: Int? = null,
        val xnnPackFlags: Int? = null,
        val xnnPackWeightCachePath: String? = null,
    )

    class Options(
        vararg accelerators: Accelerator,
    ) {
        var cpuOptions: CpuOptions? = null
    }

    fun createInputBuffers(signatureIndex: Int = 0): List<TensorBuffer> = error("declared only")

    fun createOutputBuffers(signatureIndex: Int = 0): List<TensorBuffer> = error("declared only")

    fun run(
        inputs: List<TensorBuffer>,
        outputs: List<TensorBuffer>,
        signatureIndex: Int = 0,
    ): Unit = error("declared only")

    companion object {
        @JvmStatic
        fun create(
            filePath: String,
            options: Options,
            optionalEnv: Environment? = null,
        ): CompiledModel = error("declared only")
    }
}
