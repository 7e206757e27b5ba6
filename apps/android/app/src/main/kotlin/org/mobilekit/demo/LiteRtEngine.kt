package org.mobilekit.demo

import android.content.Context
import com.google.ai.edge.litert.Accelerator
import com.google.ai.edge.litert.BuiltinNpuAcceleratorProvider
import com.google.ai.edge.litert.CompiledModel
import com.google.ai.edge.litert.Environment
import com.google.ai.edge.litert.LiteRtException
import com.google.ai.edge.litert.TensorBuffer
import org.mobilekit.core.InferenceEngine
import org.mobilekit.core.RuntimeFacts
import org.mobilekit.core.TensorCode
import org.mobilekit.core.TensorSpec
import org.mobilekit.core.TfliteFile
import org.mobilekit.core.Units
import java.io.File

/**
 * Runs a `.tflite` file by LiteRT's `CompiledModel` on one accelerator alone.
 *
 * Asked for the GPU and the CPU together, LiteRT may run on the CPU and not say so; asked for the GPU alone it fails.
 */
class LiteRtEngine(
    context: Context,
    model: File,
    unit: String,
    threads: Int,
) : InferenceEngine {
    private val ends = TfliteFile.parse(model.readBytes())
    override val inputs: List<TensorSpec> = ends.inputs
    override val outputs: List<TensorSpec> = ends.outputs
    private val log = RuntimeLog()

    private val environment = environmentFor(context, unit)
    private val compiled =
        try {
            CompiledModel.create(model.path, optionsFor(unit, threads), environment)
        } catch (problem: LiteRtException) {
            environment.close()
            throw problem
        }
    private val givers = orClosed { compiled.createInputBuffers() }
    private val takers = orClosed { compiled.createOutputBuffers() }

    /** Looked for in the log when first asked: that is no part of loading. */
    override val facts by lazy {
        RuntimeFacts(
            name = "litert",
            version = BuildConfig.LITERT_VERSION,
            api = "CompiledModel",
            requested = listOf(unit),
            strict = Units.isStrict(unit),
            numThreads = threads.takeIf { unit == CPU },
            delegate = Units.proven(unit, log.delegate(unit)),
        )
    }

    override fun run(values: List<FloatArray>): List<FloatArray> {
        for ((number, spec) in inputs.withIndex()) write(givers[number], spec, values[number])
        compiled.run(givers, takers)
        return outputs.mapIndexed { number, spec -> read(takers[number], spec) }
    }

    private fun write(
        buffer: TensorBuffer,
        spec: TensorSpec,
        values: FloatArray,
    ) {
        if (spec.dtype == FLOAT) buffer.writeFloat(values) else buffer.writeInt8(TensorCode.encode(spec, values))
    }

    private fun read(
        buffer: TensorBuffer,
        spec: TensorSpec,
    ): FloatArray = if (spec.dtype == FLOAT) buffer.readFloat() else TensorCode.decode(spec, buffer.readInt8())

    private fun <T> orClosed(make: () -> T): T =
        try {
            make()
        } catch (problem: LiteRtException) {
            compiled.close()
            environment.close()
            throw problem
        }

    override fun close() {
        for (buffer in givers + takers) buffer.close()
        compiled.close()
        environment.close()
    }

    private companion object {
        const val FLOAT = "float32"
        const val CPU = "cpu"
        const val NPU = "npu"

        /** For the NPU with a provider, which knows the phones that LiteRT has libraries for, and where those lie. */
        fun environmentFor(
            context: Context,
            unit: String,
        ): Environment =
            if (unit == NPU) Environment.create(BuiltinNpuAcceleratorProvider(context)) else Environment.create()

        fun optionsFor(
            unit: String,
            threads: Int,
        ): CompiledModel.Options =
            CompiledModel.Options(Accelerator.valueOf(unit.uppercase())).apply {
                if (unit == CPU) cpuOptions = CompiledModel.CpuOptions(numThreads = threads)
            }
    }
}
