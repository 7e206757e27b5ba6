package org.mobilekit.demo

import androidx.test.core.app.ActivityScenario
import androidx.test.platform.app.InstrumentationRegistry
import org.junit.Assume.assumeTrue
import org.junit.Test
import org.mobilekit.core.BenchmarkOrder
import java.io.File

/** Measures the file that `mobilekit profile --device android` names, and leaves a report where it is told. */
class BenchmarkTest {
    private val context = InstrumentationRegistry.getInstrumentation().targetContext

    @Test
    fun measure() {
        val arguments = InstrumentationRegistry.getArguments()
        assumeTrue(
            "only the desk orders this: mobilekit profile --device android",
            arguments.getString("model") != null,
        )
        val order = BenchmarkOrder.of { arguments.getString(it) }
        ActivityScenario.launch(BenchmarkActivity::class.java).use {
            val report = Measuring(ThisPhone(context), ModelStore(context)).ordered(order)
            val file = File(context.filesDir, order.report)
            file.parentFile?.mkdirs()
            file.writeText(report.text())
        }
    }
}
