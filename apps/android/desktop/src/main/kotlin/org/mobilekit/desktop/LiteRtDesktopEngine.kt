package org.mobilekit.desktop

import com.sun.jna.Memory
import com.sun.jna.Pointer
import com.sun.jna.ptr.ByteByReference
import com.sun.jna.ptr.PointerByReference
import org.mobilekit.core.InferenceEngine
import org.mobilekit.core.RuntimeFacts
import org.mobilekit.core.TensorCode
import org.mobilekit.core.TensorSpec
import org.mobilekit.core.TfliteFile
import java.io.File

/** Runs a `.tflite` file by LiteRT's `CompiledModel` on this computer's processor. */
class LiteRtDesktopEngine(
    private val litert: LiteRt,
    model: File,
    version: String,
    threads: Int,
) : InferenceEngine {
    private val ends = TfliteFile.parse(model.readBytes())
    override val inputs: List<TensorSpec> = ends.inputs
    override val outputs: List<TensorSpec> = ends.outputs
    private val environment = litert.made("LiteRtCreateEnvironment", 0, Pointer.NULL)
    private val file = litert.made("LiteRtCreateModelFromFile", environment, model.path)
    private val compiled = compile(threads)
    private val signature = litert.made("LiteRtGetModelSignature", file, FIRST)
    private val givers = List(inputs.size) { buffer("Input", it) }
    private val takers = List(outputs.size) { buffer("Output", it) }
    override val facts =
        RuntimeFacts("litert", version, "CompiledModel", listOf("cpu"), true, threads, null, fullyAccelerated())

    private fun compile(threads: Int): Pointer {
        val options = litert.cpuOptions(threads)
        return try {
            litert.made("LiteRtCreateCompiledModel", environment, file, options)
        } finally {
            litert.destroy("LiteRtDestroyOptions", options)
        }
    }

    private fun buffer(
        end: String,
        number: Int,
    ): Pointer {
        val tensor = litert.made("LiteRtGetSignature${end}TensorByIndex", signature, number.toLong())
        val type = Memory(RANKED_TYPE_BYTES)
        litert.call("LiteRtGetRankedTensorType", tensor, type)
        val needed = litert.made("LiteRtGetCompiledModel${end}BufferRequirements", compiled, FIRST, number.toLong())
        return litert.made("LiteRtCreateManagedTensorBufferFromRequirements", environment, type, needed)
    }

    private fun fullyAccelerated(): Boolean {
        val found = ByteByReference()
        litert.call("LiteRtCompiledModelIsFullyAccelerated", compiled, found)
        return found.value != 0.toByte()
    }

    override fun run(values: List<FloatArray>): List<FloatArray> {
        for ((number, spec) in inputs.withIndex()) {
            val bytes = TensorCode.encode(spec, values[number])
            locked(givers[number], WRITE) { it.write(0, bytes, 0, bytes.size) }
        }
        litert.call(
            "LiteRtRunCompiledModel",
            compiled,
            FIRST,
            givers.size.toLong(),
            givers.toTypedArray(),
            takers.size.toLong(),
            takers.toTypedArray(),
        )
        return outputs.mapIndexed { number, spec ->
            val size = spec.elements * if (spec.dtype == "float32") Float.SIZE_BYTES else 1
            lateinit var bytes: ByteArray
            locked(takers[number], READ) { bytes = it.getByteArray(0, size) }
            TensorCode.decode(spec, bytes)
        }
    }

    private fun locked(
        buffer: Pointer,
        mode: Int,
        work: (Pointer) -> Unit,
    ) {
        val address = PointerByReference()
        litert.call("LiteRtLockTensorBuffer", buffer, address, mode)
        work(address.value)
        litert.call("LiteRtUnlockTensorBuffer", buffer)
    }

    override fun close() {
        for (buffer in givers + takers) litert.destroy("LiteRtDestroyTensorBuffer", buffer)
        litert.destroy("LiteRtDestroyCompiledModel", compiled)
        litert.destroy("LiteRtDestroyModel", file)
        litert.destroy("LiteRtDestroyEnvironment", environment)
    }

    private companion object {
        const val FIRST = 0L
        const val RANKED_TYPE_BYTES = 72L
        const val READ = 0
        const val WRITE = 1
    }
}
