package org.mobilekit.demo

import org.mobilekit.core.BenchmarkLoop
import org.mobilekit.core.BenchmarkOrder
import org.mobilekit.core.BundledRun
import org.mobilekit.core.ContractException
import org.mobilekit.core.GoldenCheck
import org.mobilekit.core.Measurement
import org.mobilekit.core.ModelFacts
import org.mobilekit.core.Parity
import org.mobilekit.core.Plan
import org.mobilekit.core.Report
import org.mobilekit.core.TfliteFile
import org.mobilekit.core.sha256Of
import java.io.File

/** Measures models on this phone. */
class Measuring(
    private val phone: ThisPhone,
    private val store: ModelStore,
    private val cancelled: () -> Boolean = { false },
    private val progress: (Int) -> Unit = {},
) {
    private val loop = BenchmarkLoop(vitals = phone.vitals, cancelled = { cancelled() }, progress = { progress(it) })

    /** Measures a bundled model on its golden picture, with the stages around it; then compares it with its vectors. */
    fun bundled(
        chosen: Chosen,
        runs: Int,
    ): Report {
        val (model, file, unit) = chosen
        val run = BundledRun(model, file)
        val placed = store.place(chosen)
        val measurement = loop.measure(Plan(WARMUP, runs, run.input), { store.load(placed, unit) }) { run.stages() }
        val parity = store.load(placed, unit).use { GoldenCheck(model, file).check(it) }
        val name = model.manifest.name
        val facts = ModelFacts(name, file.variant, file.path, file.sha256, file.sizeBytes, file.inputs, file.outputs)
        return report(facts, measurement, parity)
    }

    /** Measures a file that the desk pushed, on noise. */
    fun ordered(order: BenchmarkOrder): Report {
        val file = File(order.model)
        val content = file.readBytes()
        if (sha256Of(content) !=
            order.sha256
        ) {
            throw ContractException("${order.model}: is not the file that was ordered")
        }
        val ends = TfliteFile.parse(content)
        val measurement = loop.measure(order.plan(), { store.load(file, order.unit, order.threads) })
        val size = content.size.toLong()
        val facts = ModelFacts(order.name, order.variant, order.file, order.sha256, size, ends.inputs, ends.outputs)
        return report(facts, measurement, null)
    }

    private fun report(
        model: ModelFacts,
        measurement: Measurement,
        parity: Parity?,
    ): Report =
        Report(phone.place, "MobileKitDemo", BuildConfig.VERSION_NAME, phone.facts(), model, measurement, parity)

    private companion object {
        const val WARMUP = 10
    }
}
