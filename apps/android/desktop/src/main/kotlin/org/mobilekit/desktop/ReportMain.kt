package org.mobilekit.desktop

import org.mobilekit.core.ContractException
import org.mobilekit.core.JsonNode
import org.mobilekit.core.Measurement
import org.mobilekit.core.ModelFacts
import org.mobilekit.core.MonotonicClock
import org.mobilekit.core.Plan
import org.mobilekit.core.Report
import org.mobilekit.core.RuntimeFacts
import org.mobilekit.core.ThermalCourse
import org.mobilekit.core.sha256Of
import java.io.File
import kotlin.system.exitProcess

/** Writes a report from a list of nanoseconds, for others to check: `ReportMain SAMPLES.json REPORT.json`. */
object ReportMain {
    @JvmStatic
    fun main(arguments: Array<String>) {
        try {
            if (arguments.size != 2) throw ContractException("usage: ReportMain SAMPLES.json REPORT.json")
            val samples = JsonNode.parse(File(arguments[0]).readText()).items().map { it.long() }
            File(arguments[1]).writeText(reportOf(samples).text())
        } catch (problem: ContractException) {
            System.err.println(problem.message)
            exitProcess(1)
        }
    }

    private fun reportOf(samples: List<Long>): Report {
        val measurement =
            Measurement(
                plan = Plan(0, samples.size, "given"),
                timer = MonotonicClock.name,
                loadNs = samples.sum(),
                firstNs = samples.first(),
                warmupMeanNs = null,
                inferenceNs = samples,
                preprocessNs = emptyList(),
                postprocessNs = emptyList(),
                endToEndNs = emptyList(),
                memoryMb = emptyMap(),
                thermal = ThermalCourse(),
                runtime = RuntimeFacts("litert", "", "CompiledModel", listOf("cpu"), true, null),
            )
        val content = samples.joinToString().toByteArray()
        val model = ModelFacts("samples", "given", "samples.json", sha256Of(content), content.size.toLong())
        return Report(Host.place, "ReportMain", "1", Host.facts(), model, measurement)
    }
}
