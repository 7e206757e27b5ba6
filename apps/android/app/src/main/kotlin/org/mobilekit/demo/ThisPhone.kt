package org.mobilekit.demo

import android.app.ActivityManager
import android.content.Context
import android.os.BatteryManager
import android.os.Build
import android.os.Debug
import android.os.PowerManager
import org.mobilekit.core.DeviceFacts
import org.mobilekit.core.Place
import org.mobilekit.core.Thermal
import org.mobilekit.core.Units
import org.mobilekit.core.Vitals

/** What Android says of the phone. */
class ThisPhone(
    context: Context,
) {
    private val power = context.getSystemService(PowerManager::class.java)
    private val battery = context.getSystemService(BatteryManager::class.java)
    private val activities = context.getSystemService(ActivityManager::class.java)

    val place = Place("android", Units.kindOf(Build.HARDWARE))
    val vitals = Vitals(::thermal, ::memoryMb)

    fun facts(): DeviceFacts =
        DeviceFacts(
            manufacturer = Build.MANUFACTURER,
            model = Build.MODEL,
            soc = if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.S) Build.SOC_MODEL else Build.HARDWARE,
            os = "Android",
            osVersion = Build.VERSION.RELEASE,
            osBuild = Build.DISPLAY,
            cpuCores = Runtime.getRuntime().availableProcessors(),
            ramMb = ActivityManager.MemoryInfo().also(activities::getMemoryInfo).totalMem / MB,
            lowPowerMode = power.isPowerSaveMode,
            charging = battery.isCharging,
            batteryLevel = battery.getIntProperty(BatteryManager.BATTERY_PROPERTY_CAPACITY).coerceIn(0, 100) / 100.0,
        )

    private fun thermal(): Thermal? =
        if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.Q) Thermal.of(power.currentThermalStatus) else null

    private fun memoryMb(): Double = Debug.getPss() * KIB / MB

    private companion object {
        const val MB = 1e6
        const val KIB = 1024
    }
}
