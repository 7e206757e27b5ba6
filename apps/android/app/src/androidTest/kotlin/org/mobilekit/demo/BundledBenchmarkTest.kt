package org.mobilekit.demo

import androidx.test.core.app.ActivityScenario
import androidx.test.platform.app.InstrumentationRegistry
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test
import java.io.File

/** Measures every bundled file on the CPU, and leaves the reports where Gradle fetches a test's output. */
class BundledBenchmarkTest {
    private val context = InstrumentationRegistry.getInstrumentation().targetContext
    private val folder =
        InstrumentationRegistry.getArguments().getString("additionalTestOutputDir")?.let(::File)
            ?: File(context.filesDir, "reports")

    @Test
    fun measure() {
        val store = ModelStore(context)
        val files = Choice(store).files
        assertEquals(emptyList<String>(), store.found.problems)
        assertTrue("no model is bundled", files.isNotEmpty())
        folder.mkdirs()
        ActivityScenario.launch(BenchmarkActivity::class.java).use {
            for (chosen in files) {
                val report = Measuring(ThisPhone(context), store).bundled(chosen, RUNS)
                File(folder, "device-report-${report.id}.json").writeText(report.text())
                assertTrue("${chosen.name}: ${report.verification}", report.verification?.passed == true)
            }
        }
    }

    private companion object {
        const val RUNS = 50
    }
}
