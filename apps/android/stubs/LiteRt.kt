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
    override fun close(): Unit = TODO()
}

class TensorBuffer private constructor() : JniHandle() {
    fun writeFloat(data: FloatArray): Unit = TODO()

    fun writeInt8(data: ByteArray): Unit = TODO()

    fun readFloat(): FloatArray = TODO()

    fun readInt8(): ByteArray = TODO()
}

class Environment private constructor() : JniHandle() {
    enum class Option { CompilerPluginLibraryDir, DispatchLibraryDir }

    companion object {
        @JvmStatic
        fun create(options: Map<Option, String> = mapOf()): Environment = TODO()

        @JvmStatic
        fun create(
            npuAcceleratorProvider: NpuAcceleratorProvider,
            options: Map<Option, String> = mapOf(),
        ): Environment = TODO()
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

    fun createInputBuffers(signatureIndex: Int = 0): List<TensorBuffer> = TODO()

    fun createOutputBuffers(signatureIndex: Int = 0): List<TensorBuffer> = TODO()

    fun run(
        inputs: List<TensorBuffer>,
        outputs: List<TensorBuffer>,
        signatureIndex: Int = 0,
    ): Unit = TODO()

    companion object {
        @JvmStatic
        fun create(
            filePath: String,
            options: Options,
            optionalEnv: Environment? = null,
        ): CompiledModel = TODO()
    }
}
