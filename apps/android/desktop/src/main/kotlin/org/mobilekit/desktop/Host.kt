package org.mobilekit.desktop

import org.mobilekit.core.DeviceFacts
import org.mobilekit.core.Place
import org.mobilekit.core.Vitals
import java.io.File

/** This computer, as a report has it. */
object Host {
    val place = Place("desktop-jvm", "host")

    fun facts(): DeviceFacts =
        DeviceFacts(
            manufacturer = "",
            model = System.getProperty("os.arch"),
            soc = "",
            os = System.getProperty("os.name"),
            osVersion = System.getProperty("os.version"),
            cpuCores = Runtime.getRuntime().availableProcessors(),
        )

    val vitals = Vitals(memoryMb = ::residentMb)

    /** Of the process, in 10⁶ bytes; null where the system does not say. */
    private fun residentMb(): Double? {
        val status = File("/proc/self/status")
        val line = if (status.canRead()) status.readLines().find { it.startsWith("VmRSS:") } else null
        return line?.filter { it.isDigit() }?.toDoubleOrNull()?.let { it * KIB / MB }
    }

    private const val KIB = 1024
    private const val MB = 1_000_000
}
