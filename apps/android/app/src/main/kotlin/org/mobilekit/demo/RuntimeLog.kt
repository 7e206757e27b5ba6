package org.mobilekit.demo

import org.mobilekit.core.Delegate
import java.io.IOException
import java.time.LocalDateTime
import java.time.format.DateTimeFormatter

/** What LiteRT has logged in this process since this was made: its Kotlin interface does not say where a model runs. */
class RuntimeLog {
    private val since = LocalDateTime.now().format(DateTimeFormatter.ofPattern("MM-dd HH:mm:ss.SSS"))

    /** How much of the graph the delegates of a unit took; null where the log does not say. */
    fun delegate(unit: String): Delegate? = Delegate.fromLog(lines(), unit)

    private fun lines(): List<String> {
        val command =
            listOf(
                "logcat",
                "-d",
                "-v",
                "brief",
                "-T",
                since,
                "--pid",
                android.os.Process
                    .myPid()
                    .toString(),
            )
        return try {
            ProcessBuilder(
                command,
            ).redirectErrorStream(true).start().inputStream.bufferedReader().use { it.readLines() }
        } catch (_: IOException) {
            emptyList()
        }
    }
}
